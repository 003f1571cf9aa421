# SPDX-License-Identifier: BSD-2-Clause
# Shows the means of several runs side by side and how far each is from the median; fails if one is beyond the limit.
# Input: lines of run, machine, case, what, mean, n. Run names that end alike on two machines are one column.
# A mean of less than a hundred is shown and not judged: an event case has a handful of exits that are no event. Nor is a
# stage that lies one unit off, which is all that the kernel's clock tells apart; the guest's clock gets no such allowance.

function figure(x)
{
	return sprintf((x < 100000) ? "%.1f" : "%.0f", x)
}

{
	column = $1
	sub(/^.*-/, "", column)
	if (!(column in have_column)) {
		have_column[column]
		columns[++nr_columns] = column
	}
	row = $2 "\t" $3 "\t" $4
	if (!(row in values))
		rows[++nr_rows] = row
	values[row] = values[row] " " $5
	mean[row, column] = $5
	if ($6 < 100)
		few[row]
}

END {
	for (r = 1; r <= nr_rows; r++) {
		split(rows[r], part, "\t")
		if (part[1] != machine) {
			machine = part[1]
			printf "%s%s: means of %d runs\n%-18s %-28s", (r > 1 ? "\n" : ""), machine, nr_columns, "case", "what"
			for (c = 1; c <= nr_columns; c++)
				printf " %12s", columns[c]
			printf " %12s %9s\n", "median", "off by"
		}
		printf "%-18s %-28s", part[2], part[3]
		middle = median(values[rows[r]])
		far = beyond = 0
		for (c = 1; c <= nr_columns; c++) {
			if (!((rows[r], columns[c]) in mean)) {
				printf " %12s", "-"
				incomplete = 1
				continue
			}
			x = mean[rows[r], columns[c]]
			printf " %12s", figure(x)
			off = x > middle ? x - middle : middle - x
			beyond = beyond || off > 1 || (off && part[3] ~ /^hit to hit/)
			off = middle ? 100 * off / middle : off ? 100 : 0
			if (off > far)
				far = off
		}
		if (rows[r] in few) {
			printf " %12s %9s\n", figure(middle), "n < 100"
			nr_few++
			continue
		}
		within = far > limit && !beyond
		printf " %12s %7.3f %%%s\n", figure(middle), far, (within ? "  by one unit" : far > limit ? "  <-- too far" : "")
		if (within)
			continue
		too_far += far > limit
		if (far > farthest)
			farthest = far
	}
	printf "\nfarthest from its median: %.3f %%, limit %s %%", farthest, limit
	if (too_far)
		printf "; %d of %d means are beyond it", too_far, nr_rows - nr_few
	printf "\n"
	if (incomplete)
		print "not every run has everything"
	exit (too_far || incomplete)
}
