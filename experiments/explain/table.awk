# SPDX-License-Identifier: BSD-2-Clause
# What functions.awk has counted, as a table: of one kernel, or of two, `before` and `version`, where they differ.

BEGIN { FS = "\t" }

FNR == 1 { nr_files++ }

$1 == "total" {
	total[nr_files] = $2
	like[nr_files] = $3 " of " $4
	next
}

{
	count[nr_files, $2] = $1
	names[$2]
}

function size(x)
{
	return x < 0 ? -x : x
}

# weight of each name: what it is sorted by
function sort_names(	n, i, j, name)
{
	for (name in weight) {
		for (i = n++; i >= 1 && size(weight[order[i]]) < size(weight[name]); i--)
			order[i + 1] = order[i]
		order[i + 1] = name
	}
	return n
}

END {
	for (name in names)
		weight[name] = count[nr_files, name] - (nr_files == 2 ? count[1, name] : 0)
	n = sort_names()
	if (nr_files == 1) {
		printf "%s, %s, %s: %d instructions a hit (%s hits traced are like this)\n", machine, case, version, total[1], like[1]
		for (i = 1; i <= n && i <= top; i++)
			printf "  %8d  %s\n", weight[order[i]], order[i]
		print ""
		exit
	}
	difference = total[2] - total[1]
	printf "%s, %s: %s %d (%s alike), %s %d (%s alike), difference %+d (%+.2f %%)\n", machine, case, before, total[1], like[1],
		version, total[2], like[2], difference, 100 * difference / total[1]
	printf "  %8s  %8s  %10s  %s\n", before, version, "difference", "function"
	for (i = 1; i <= n && i <= top && weight[order[i]]; i++) {
		shown += weight[order[i]]
		printf "  %8d  %8d  %+10d  %s\n", count[1, order[i]], count[2, order[i]], weight[order[i]], order[i]
	}
	for (; i <= n; i++)
		if (weight[order[i]]) {
			others++
			rest += weight[order[i]]
		}
	printf "  %8s  %8s  %+10d  %d others\n\n", "", "", rest, others
}
