# SPDX-License-Identifier: BSD-2-Clause
# The table across kernels: per machine and case a line for each, in order of version, and how far it is from the one
# before. Input: lines of machine and unit, case, kernel, hit to hit, what no tracepoint covers. Several runs of one
# kernel: the median of their means, and half of what lies between the farthest of them.

BEGIN {
	FS = "\t"
	widest = 12
}

# 6.12.117 sorts behind 6.1.192
function rank(kernel,	part, n)
{
	n = split(kernel, part, /[.-]/)
	return part[1] * 1000000 + part[2] * 10000 + (n > 2 ? part[3] : 0)
}

# One without a suffix comes before one with.
function newer(a, b)
{
	return rank(a) != rank(b) ? rank(a) > rank(b) : a > b ""
}

function spread(list,	v, n, m)
{
	n = sorted(list, v)
	m = median(list)
	return n > 1 && m ? 50 * (v[n] - v[1]) / m : -1
}

{
	if (!(($1, $2) in cases)) {
		cases[$1, $2]
		machine_of[++nr_cases] = $1
		case_of[nr_cases] = $2
	}
	if (!($3 in kernels)) {
		kernels[$3]
		for (i = ++nr_kernels; i > 1 && newer(order[i - 1], $3); i--)
			order[i] = order[i - 1]
		order[i] = $3
		if (length($3) > widest)
			widest = length($3)
	}
	hits[$1, $2, $3] = hits[$1, $2, $3] " " $4
	if ($5 != "-")
		rests[$1, $2, $3] = rests[$1, $2, $3] " " $5
}

function show_case(c,	k, key, m, before, s)
{
	before = ""
	for (k = 1; k <= nr_kernels; k++) {
		key = machine_of[c] SUBSEP case_of[c] SUBSEP order[k]
		if (!(key in hits))
			continue
		m = median(hits[key])
		s = spread(hits[key])
		printf "%-20s %-" widest "s %12.1f %9s %13s %14s\n", (before == "" ? case_of[c] : ""), order[k], m,
			(s < 0 ? "1 run" : sprintf("%.3f %%", s)),
			(key in rests) ? sprintf("%.1f", median(rests[key])) : "-",
			before == "" ? "-" : sprintf("%+.2f %%", 100 * (m - before) / before)
		before = m
	}
}

END {
	for (c = 1; c <= nr_cases; c++) {
		if (machine_of[c] in done)
			continue
		done[machine_of[c]]
		printf "%s%s, from hit to hit\n%-20s %-" widest "s %12s %9s %13s %14s\n", (c > 1 ? "\n" : ""), machine_of[c],
			"case", "kernel", "mean", "spread", "not covered", "to the former"
		for (i = c; i <= nr_cases; i++)
			if (machine_of[i] == machine_of[c])
				show_case(i)
	}
	print "\nmean: without the observer, median of the repetitions; not covered: with it, what of a hit lies outside of"
	print "kvm_exit..kvm_entry, which is the guest's loop, the exit itself and most of what the observer costs"
}
