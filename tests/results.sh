# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=sh disable=SC2154
# Reads what test programs print (TAP) and keeps count. Sourced, with $tmp a directory; results go to $tmp/results.

# One line per test; the letter goes to a file, as the parsers of several machines run at once.
tell()	# passed|failed|skipped LINE
{
	printf '%s\n' "$2"
	echo "$1" >>"$tmp/results"
}

# What was printed that is no TAP: needed only if something went wrong.
show_stray()
{
	[ ! -s "$stray" ] || tail -n 40 "$stray" | sed 's/^/    | /'
	: >"$stray"
}

tap_result()	# passed|failed "N - NAME" PREFIX
{
	_name=$(printf '%s\n' "$2" | sed 's/^[0-9]* *-* *//')
	seen=$((seen + 1))
	case $1:$_name in
	*:'# SKIP '*) tell skipped "skip   $3: ${_name#\# SKIP }" ;; # cmocka's way, after "not ok"
	passed:*' # SKIP '*)
		echo skipped >>"$tmp/results"
		printf '%s\t%s\n' "$3: ${_name%% # SKIP *}" "${_name#* # SKIP }" >>"$skips"
		;;
	passed:*' # SKIP') tell skipped "skip   $3: $_name" ;;
	passed:*) tell passed "ok     $3: $_name" ;;
	failed:*)
		bad=$((bad + 1))
		tell failed "not ok $3: $_name"
		;;
	esac
}

# Tests that were skipped for one reason are one line: a machine may lack what most of them need.
tell_skips()	# PREFIX
{
	awk -F '\t' -v prefix="$1" '
		!($2 in nr) { reasons[++nr_reasons] = $2; first[$2] = $1 }
		{ nr[$2]++ }
		END {
			for (i = 1; i <= nr_reasons; i++) {
				reason = reasons[i]
				what = nr[reason] > 1 ? prefix ": " nr[reason] " tests" : first[reason]
				printf "skip   %s # SKIP %s\n", what, reason
			}
		}' "$skips"
}

tap_begin()	# PROGRAM
{
	program=$1 plan='' seen=0 bad=0
	: >"$stray"
}

# The program as a whole: did it run what it had planned, and end as it should?
tap_end()	# STATUS PREFIX
{
	_why=
	if [ -z "$plan" ]; then
		_why="printed no plan"
	elif [ "$seen" -ne "$plan" ]; then
		_why="planned $plan tests, ran $seen"
	elif [ "$1" -ne 0 ] && [ "$bad" -eq 0 ]; then
		_why="ended with status $1 though no test failed"
	elif [ "$1" -eq 0 ] && [ "$bad" -ne 0 ]; then
		_why="ended with status 0 though tests failed"
	fi
	[ -z "$_why" ] || tell failed "not ok $2: $_why"
	if [ -n "$_why" ] || [ "$bad" -ne 0 ]; then
		show_stray
	fi
	: >"$stray"
	program=
}

# parse PREFIX: TAP of several programs, each between "## begin NAME" and "## end NAME STATUS"
parse()
{
	stray=$tmp/stray.$1
	skips=$tmp/skips.$1
	program=
	: >"$stray"
	: >"$skips"
	while IFS= read -r _line; do
		case $_line in
		'## begin '*) tap_begin "${_line#\#\# begin }" ;;
		'## end '*) tap_end "${_line##* }" "$1/$program" ;;
		'## machine '*) machine_end "${_line#\#\# machine }" "$1" ;;
		1..[0-9]*) plan=${_line#1..} ;;
		'ok '*) tap_result passed "${_line#ok }" "$1/$program" ;;
		'not ok '*) tap_result failed "${_line#not ok }" "$1/$program" ;;
		# what the kernel's harness says beside its results
		'#  RUN   '* | '#      SKIP  '* | '#            OK '* | '# Starting '* | '# PASSED: '* | '# Totals: '*) ;;
		'# '*) printf '         %s\n' "$_line" ;;
		*) printf '%s\n' "$_line" >>"$stray" ;;
		esac
	done
	[ -z "$program" ] || tell failed "not ok $1/$program: output ends in the middle of it"
	tell_skips "$1"
}

machine_end()	# STATUS PREFIX
{
	[ -z "$program" ] || tell failed "not ok $2/$program: the machine ended in the middle of it"
	program=
	case $1 in
	0) return ;;
	124) _why="time limit reached" ;;
	125) _why="the machine could not be run" ;;
	126) _why="the kernel complained" ;;
	*) _why="status $1" ;;
	esac
	tell failed "not ok $2: $_why"
	show_stray
}

count()	# passed|failed|skipped
{
	grep -c "^$1\$" "$tmp/results"
}

# The last line, and whether all is well: something ran and nothing failed.
summarise()
{
	_passed=$(count passed) _failed=$(count failed) _skipped=$(count skipped)
	if [ "$_skipped" -eq 0 ]; then
		printf '%d passed, %d failed\n' "$_passed" "$_failed"
	else
		printf '%d passed, %d failed, %d skipped\n' "$_passed" "$_failed" "$_skipped"
	fi
	[ "$_failed" -eq 0 ] && [ "$_passed" -gt 0 ]
}
