# SPDX-License-Identifier: BSD-2-Clause
# Numbers in a string, separated by blanks: in order, and the one in the middle.

function sorted(list, v,	n, i, j, t)
{
	n = split(list, v, " ")
	for (i = 2; i <= n; i++)
		for (j = i; j > 1 && v[j] + 0 < v[j - 1] + 0; j--) {
			t = v[j]
			v[j] = v[j - 1]
			v[j - 1] = t
		}
	return n
}

function median(list,	v, n)
{
	n = sorted(list, v)
	return (v[int((n + 1) / 2)] + v[int((n + 2) / 2)]) / 2
}
