#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# Completion in bash: what is offered is what the programs know, at every place of a command line.
# shellcheck disable=SC2016,SC2317 # dollars are bash's, conditions are called by name

. "$(dirname "$0")/tap.sh"
bin=$root/build
PATH=$bin:$PATH
export LC_ALL=C
mkdir "$tmp/here" && cd "$tmp/here" || exit 1

command -v bash >/dev/null || { skip "completion" "there is no bash; apt-get install bash" && finish; }
for program in kvmi-lat kvmi-trace; do
	[ -x "$bin/$program" ] || { skip "completion" "there is no $bin/$program; make builds it" && finish; }
done
mkdir "a directory" && : >"my run.json" && : >run.json

# offers WORD...: what is offered for the last of them, sorted, in $tmp/out
offers()
{
	bash -c '
		. "$0/tools/completion.bash" || exit
		complete -p "$1" >/dev/null || exit
		COMP_WORDS=("$@")
		COMP_CWORD=$(($# - 1))
		_kvmi_complete "$1" "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}"
		[[ ${#COMPREPLY[@]} -eq 0 ]] || printf "%s\n" "${COMPREPLY[@]}" | sort -u
	' "$root" "$@" >"$tmp/out" 2>"$tmp/err" </dev/null && [ ! -s "$tmp/err" ]
}

# offered NAME EXPECTED WORD...: EXPECTED in order, words apart by a blank
offered()
{
	_test=$1
	_expected=$2
	shift 2
	offers "$@"
	_got=$(paste -sd ' ' "$tmp/out")
	[ ! -s "$tmp/err" ] && [ "$_got" = "$_expected" ]
	result $? "$_test"
}

# The commands that there are, by what kvmi-lat says of one that there is not.
known=$(kvmi-lat 2>&1 | sed -n 's/.*which command? //p' | sed 's/ or /, /; s/,//g' | tr ' ' '\n' | sort | paste -sd ' ')
check "kvmi-lat says which commands it has" [ "$(echo "$known" | wc -w)" -gt 3 ]
offered "commands" "$known" kvmi-lat ""
offered "a command that has begun" record kvmi-lat rec
offered "commands of kvmi-trace" "break regs vcpus" kvmi-trace ""
offered "behind its options" "break regs vcpus" kvmi-trace -l s ""

# Every option that is offered is one; --help is among them.
for command in $known; do
	offers kvmi-lat "$command" --
	bad=
	while read -r option; do
		case $(kvmi-lat "$command" "$option=" 2>&1 </dev/null) in
		*unrecognized*) bad="$bad $option" ;;
		esac
	done <"$tmp/out"
	echo "$bad" >>"$tmp/err"
	check "options of $command" [ -z "$bad" -a "$(wc -l <"$tmp/out")" -ge 2 ]
	check "options of $command: --help" grep -qx -e --help "$tmp/out"
done
offered "an option that has begun" --format kvmi-lat export --fo
offered "short options" "--help --pinned --unload --verbose -h -v" kvmi-lat detach -
offered "options of kvmi-trace" "--raw --regs" kvmi-trace --r
offered "behind its command" "--raw --regs" kvmi-trace break --r

offered "formats" "csv hgrm json prometheus" kvmi-lat export --format ""
offered "formats, by the short option" csv kvmi-lat export -f c
offered "formats, after =" csv kvmi-lat export --format = c
offered "formats, right after =" "csv hgrm json prometheus" kvmi-lat export --format =
offered "a value behind a file" "csv hgrm json prometheus" kvmi-lat export run.json --format ""
# The names in a filter are those that the program says there are.
for what in event action stage; do
	names=$(kvmi-lat report --$what "?" run.json 2>&1 | sed -n 's/.*choose one of //p' | sed 's/,//g' | tr ' ' '\n' |
		sort | paste -sd ' ')
	check "names of --$what are known" [ -n "$names" ]
	offered "names of --$what" "$names" kvmi-lat report --$what ""
done
offered "modes" "auto emulate restore" kvmi-trace break --step ""
check "a mode that is none is refused" eval '! kvmi-trace -l s break 1 --step "?" 2>"$tmp/err"'
check "with those that there are" err_has "auto, emulate or restore"

offered "files" "a directory my run.json run.json" kvmi-lat report ""
offered "a file that has begun" run.json kvmi-lat report r
offered "files, after another" "my run.json" kvmi-lat report run.json my
offered "files to write" run.json kvmi-lat export -o r
offered "directories" "a directory" kvmi-lat report --pinned ""
offered "a socket" run.json kvmi-trace --listen r
offers kvmi-lat record --pid $$
check "processes" grep -qx $$ "$tmp/out"
offers kvmi-lat record -- "printf"
check "what to record" grep -qx printf "$tmp/out"
offers kvmi-lat record -o run.json "printf"
check "what to record, without --" grep -qx printf "$tmp/out"
offered "nothing of ours behind it" "" kvmi-lat record printf -
offered "nothing where a number is wanted" "" kvmi-trace break --count ""

# As it is installed.
run make -C "$root" --no-print-directory -s install-completion DESTDIR="$tmp/dest" PREFIX=/usr
check "make install: status" status_is 0
dir=$tmp/dest/usr/share/bash-completion/completions
for program in kvmi-lat kvmi-trace; do
	check "make install: a file by the name of $program" bash -c '. "$1" && complete -p "$2" >/dev/null' bash "$dir/$program" "$program"
done

finish
