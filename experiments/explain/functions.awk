# SPDX-License-Identifier: BSD-2-Clause
# Instructions per function of one hit. Input: System.map, then the log of Bochs' debugger, which has a line per
# instruction with the time at which it began. A hit goes from one call of the function `from` to the next; of all that
# the log has, one whose length is the most frequent is taken. Output: instructions and function, then "total LENGTH
# N OF", N of OF hits being of that length.

function hex(s,	i, v)
{
	for (i = 1; i <= length(s); i++)
		v = v * 16 + index("0123456789abcdef", substr(s, i, 1)) - 1
	return v
}

# What a compiler makes of parts and copies of a function is that function.
function plain(name)
{
	sub(/\.(cold|isra|constprop|part)[.0-9a-z]*$/, "", name)
	return name
}

# Behind the kernel's text there are BPF programs, trampolines and modules.
function symbol(at,	low, high, middle)
{
	if (at >= end_of_text)
		return elsewhere
	low = 1
	high = nr_symbols
	while (low < high) {
		middle = int((low + high + 1) / 2)
		if (start[middle] <= at)
			low = middle
		else
			high = middle - 1
	}
	return names[low]
}

BEGIN { elsewhere = "(guest, BPF and others)" }

# The kernel's addresses differ in their last eight digits only.
function function_at(selector, address)
{
	if (!(address in known)) {
		if (address ~ /^ffffffff[89a-f]/)
			known[address] = symbol(hex(substr(address, 9)))
		else
			known[address] = selector ~ /[37bf]$/ ? "(user space)" : elsewhere
	}
	return known[address]
}

function end_of_hit(	name)
{
	nr_hits++
	length_of[nr_hits] = hit_length
	frequency[hit_length]++
	for (name in now)
		spent[nr_hits, name] = now[name]
	split("", now)
	hit_length = 0
}

# System.map is in order of address
FILENAME != logfile {
	if ($3 == "_etext")
		end_of_text = hex(substr($1, 9))
	if (!end_of_text && $2 ~ /^[tTwW]$/ && $1 ~ /^ffffffff[89a-f]/) {
		if ($3 == from)
			first_address = $1
		start[++nr_symbols] = hex(substr($1, 9))
		names[nr_symbols] = plain($3)
		functions[names[nr_symbols]]
	}
	next
}

/^\(0\)\.\[/ {
	time = substr($1, 6) + 0
	split($3, place, ":")
	if (last_name != "") {
		now[last_name] += time - last_time
		hit_length += time - last_time
	}
	if (place[2] == first_address) {
		if (begun)
			end_of_hit()
		begun = 1
	}
	last_name = begun ? function_at(place[1], place[2]) : ""
	last_time = time
}

END {
	if (!first_address) {
		print "the kernel has no function " from >"/dev/stderr"
		exit 1
	}
	if (!nr_hits) {
		print "the trace has no whole hit" >"/dev/stderr"
		exit 1
	}
	for (i = 1; i <= nr_hits; i++)
		if (!best || frequency[length_of[i]] > frequency[length_of[best]])
			best = i
	functions["(user space)"]
	functions[elsewhere]
	for (name in functions)
		if ((best, name) in spent)
			printf "%d\t%s\n", spent[best, name], name
	printf "total\t%d\t%d\t%d\n", length_of[best], frequency[length_of[best]], nr_hits
}
