# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=sh disable=SC2154
# What line of introspection's source each PC is that KCOV can report: a table beside the kernel, as vmlinux is not kept.

# KCOV reports return addresses: an instruction of five bytes calls it.
find_points()	# the addresses of these calls
{
	objdump -d --no-show-raw-insn "$obj/vmlinux" |
		sed -n 's/^ *\([0-9a-f]*\):[[:space:]]*call[q]* .*<__sanitizer_cov_trace_pc>.*/\1/p'
}

# Of each address the innermost inlined function that lies in introspection's .c files, with the text of the line: PC, file,
# line, function and text, with tabs between. The file of a PC that belongs to no such line, as in a tracepoint, is "-".
name_points()	# ADDRESSES
{
	addr2line -a -i -f -e "$obj/vmlinux" <"$1" | awk -v src="$src/" -v OFS='\t' '
		function tidy(path) {
			while (match(path, /[^\/]+\/\.\.\//))
				path = substr(path, 1, RSTART - 1) substr(path, RSTART + RLENGTH)
			if (index(path, src) == 1)
				path = substr(path, length(src) + 1)
			return path
		}
		function text(file, line,    n, row) {
			if (!(file in read_to)) {
				while ((getline row < (src file)) > 0) {
					gsub(/^[ \t]+|[ \t]+$/, "", row)
					gsub(/\t+/, " ", row)
					rows[file, ++n] = row
				}
				read_to[file] = n
			}
			return rows[file, line]
		}
		# Digit by digit: numbers of awk have 53 bits.
		function plus_5(hex,    i, carry, digits) {
			digits = "0123456789abcdef"
			carry = 5
			for (i = length(hex); i > 0 && carry; i--) {
				carry += index(digits, substr(hex, i, 1)) - 1
				hex = substr(hex, 1, i - 1) substr(digits, carry % 16 + 1, 1) substr(hex, i + 1)
				carry = int(carry / 16)
			}
			return hex
		}
		function finish() {
			if (pc != "" && !found)
				print pc, "-", 0, "-", ""
		}
		/^0x/ { finish(); pc = plus_5(substr($0, 3)); sub(/^0+/, "", pc); found = 0; name = ""; next }
		name == "" { name = $0; next }
		{
			function_name = name
			name = ""
			sub(/ \(discriminator [0-9]+\)$/, "")
			file = line = $0
			sub(/:[0-9?]+$/, "", file)
			sub(/.*:/, "", line)
			file = tidy(file)
			if (found || file !~ /^virt\/kvm\/introspection\/[^\/]*\.c$|^arch\/x86\/kvm\/kvmi[^\/]*\.c$/)
				next
			found = 1
			sub(/\..*/, "", function_name)
			print pc, file, line, function_name, text(file, line)
		}
		END { finish() }' | LC_ALL=C sort
}

keep_points()	# FILE
{
	grep -q '^CONFIG_KCOV=y' "$obj/.config" || return 0
	find_points >"$cache/points" && name_points "$cache/points" >"$1" || return
	cut -f2 "$1" | grep -q kvmi || fail "KCOV has no points in introspection's code: are its objects in $patches/fuzz.config?"
}
