# SPDX-License-Identifier: BSD-2-Clause
# The table of experiments/overhead/run and experiments/drift/run, or its JSON; fails if a case is over the limit or the seeds disagree.
# Input: lines of machine, case, state, seed, mean. The first state is what the others are compared with.
# Variables: job, limit (%), json (yes or no), what the figures are, columns by state, separated by "|".

function mean(key,	i, v, n, sum)
{
	n = split(values[key], v, " ")
	for (i = 1; i <= n; i++)
		sum += v[i]
	return sum / n
}

function spread(key,	i, v, n, m, far, off)
{
	n = split(values[key], v, " ")
	m = mean(key)
	for (i = 1; i <= n; i++) {
		off = v[i] > m ? v[i] - m : m - v[i]
		if (off > far)
			far = off
	}
	return 100 * far / m
}

function figure(m, c,	s, key, base, percent, mark, line)
{
	line = sprintf("%-18s", c)
	base = mean(m SUBSEP c SUBSEP states[1])
	for (s = 1; s <= nr_states; s++) {
		key = m SUBSEP c SUBSEP states[s]
		if (!(key in values)) {
			incomplete = 1
			line = line sprintf(" %20s", "-")
			continue
		}
		if (spread(key) > farthest)
			farthest = spread(key)
		percent = 100 * (mean(key) / base - 1)
		if (percent > worst)
			worst = percent
		mark = ""
		if (percent > limit) {
			over++
			mark = "!"
		}
		line = line (s == 1 ? sprintf(" %10.2f", mean(key)) : sprintf(" %10.2f %+7.3f %%%1s", mean(key), percent, mark))
		objects = objects sprintf("%s{\"machine\":\"%s\",\"case\":\"%s\",\"state\":\"%s\",\"instructions\":%.4f,\"percent\":%.4f,\"spread_percent\":%.4f}",
			objects == "" ? "" : ",", m, c, states[s], mean(key), percent, spread(key))
	}
	return line
}

{
	if (!($1 in have_machine)) {
		have_machine[$1]
		machines[++nr_machines] = $1
	}
	if (!($2 in have_case)) {
		have_case[$2]
		cases[++nr_cases] = $2
	}
	if (!($3 in have_state)) {
		have_state[$3]
		states[++nr_states] = $3
	}
	seeds[$4]
	values[$1, $2, $3] = values[$1, $2, $3] " " $5
}

END {
	if (!nr_machines)
		exit 1
	title["vmx"] = "Intel (VMX)"
	title["svm"] = "AMD (SVM)"
	nr_columns = split(columns, column, "|")
	for (seed in seeds)
		nr_seeds++
	for (m = 1; m <= nr_machines; m++) {
		text = text sprintf("%s%s: %s\n%-18s %10s", m > 1 ? "\n" : "", title[machines[m]], what, "case", column[1])
		for (s = 2; s <= nr_columns; s++)
			text = text sprintf(" %21s", column[s] "  ")
		text = text "\n"
		for (c = 1; c <= nr_cases; c++)
			text = text figure(machines[m], cases[c]) "\n"
	}
	if (json == "yes") {
		printf "{\"limit_percent\":%s,\"seeds\":%d,\"figures\":[%s]}\n", limit, nr_seeds, objects
	} else {
		printf "%s\nmost over %s: %.3f %%, limit %s %%", text, column[1], worst, limit
		if (over)
			printf "; beyond it: %d", over
		printf "\nmeans of %d boots with different seeds, which are at most %.4f %% off their mean\n", nr_seeds, farthest
	}
	if (incomplete)
		print "kvmi-lat: " job ": not every boot has every case" >"/dev/stderr"
	if (farthest > limit / 2)
		print "kvmi-lat: " job ": the boots differ too much for this limit" >"/dev/stderr"
	exit (over || incomplete || farthest > limit / 2)
}
