# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash
# Completes kvmi-lat and kvmi-trace in bash. Commands and options come from --help, so that they cannot be out of date.

# The commands in a program's help: words that begin a line of the list.
_kvmi_commands()	# PROGRAM
{
	"$1" --help 2>/dev/null | sed -n '/^Examples/q; s/^  \([a-z][a-z]*\) .*/\1/p'
}

# The options in a help: all that stand before the explanation, "-o, --output FILE".
_kvmi_options()	# PROGRAM [COMMAND]
{
	"$@" --help 2>/dev/null | awk '
		/^Examples/ { exit }
		/^ +-/ {
			for (i = 1; i <= NF && $i ~ /^-/; i++) {
				sub(/,$/, "", $i)
				print $i
			}
		}'
}

# What follows an option in its help: FILE, DIR, NAME; nothing if it takes no value.
_kvmi_value()	# OPTION PROGRAM [COMMAND]
{
	local option=$1

	shift
	"$@" --help 2>/dev/null | awk -v option="$option" '
		/^ +-/ {
			found = 0
			for (i = 1; i <= NF && $i ~ /^-/; i++) {
				sub(/,$/, "", $i)
				found = found || $i == option
			}
			if (found) {
				if ($i ~ /^[A-Z]+$/)
					print $i
				exit
			}
		}'
}

_kvmi_reply()	# COMPGEN-ARGUMENT...
{
	mapfile -t COMPREPLY < <(compgen "$@")
}

# By what the help calls the value, and which of those it is that have a name.
_kvmi_complete_value()	# CURRENT OPTION VALUE
{
	case $3$2 in
	FILE* | PATH*) _kvmi_reply -f -- "$1" ;;
	DIR*) _kvmi_reply -d -- "$1" ;;
	PID*) _kvmi_reply -W "$(cd /proc && echo [0-9]*)" -- "$1" ;;
	NAME-f | NAME--format) _kvmi_reply -W 'csv hgrm json prometheus' -- "$1" ;;
	NAME--event) _kvmi_reply -W 'breakpoint debug_exit exit hypercall pause_vcpu unhook user_exit' -- "$1" ;;
	NAME-s | NAME--sort) _kvmi_reply -W 'breakpoints exits pid time userspace' -- "$1" ;;
	NAME--action) _kvmi_reply -W 'continue crash none retry' -- "$1" ;;
	NAME--stage) _kvmi_reply -W 'act build commands dispatch introspector kernel tool_own tool_reply tool_wake total userspace wake' -- "$1" ;;
	MODE--step) _kvmi_reply -W 'auto emulate restore' -- "$1" ;;
	esac
}

# Looks at the words before the current one: what is the command, does an option want its value?
_kvmi_complete()
{
	local current=$2 command='' option='' value='' recorded=0 i word
	local -a with=("$1")

	COMPREPLY=()
	for ((i = 1; i < COMP_CWORD && !recorded; i++)); do
		word=${COMP_WORDS[i]}
		if [[ $word == '=' ]]; then
			continue # of --format=csv, three words to bash
		elif [[ -n $value ]]; then
			value=
		elif [[ $word == -- ]]; then
			recorded=$((i + 1))
		elif [[ $word == -* ]]; then
			option=$word
			value=$(_kvmi_value "$option" "${with[@]}")
		elif [[ -z $command ]]; then
			command=$word
			# kvmi-trace has one help for all.
			[[ $1 == *kvmi-trace ]] || with+=("$command")
		elif [[ $command == record ]]; then
			recorded=$i
		fi
	done
	[[ $current != '=' ]] || current=
	if ((recorded)); then
		[[ $command != record && $command != threshold ]] || ((recorded < COMP_CWORD)) || _kvmi_reply -c -- "$current"
	elif [[ -n $value ]]; then
		_kvmi_complete_value "$current" "$option" "$value"
	elif [[ $current == -* ]]; then
		_kvmi_reply -W "$(_kvmi_options "${with[@]}")" -- "$current"
	elif [[ -z $command ]]; then
		_kvmi_reply -W "$(_kvmi_commands "$1")" -- "$current"
	elif [[ $command == record ]]; then
		_kvmi_reply -c -- "$current"
	elif [[ $command != attach && $command != detach && $command != t* && $1 != *kvmi-trace ]]; then
		_kvmi_reply -f -- "$current"
	fi
}

complete -o filenames -o bashdefault -o default -F _kvmi_complete kvmi-lat kvmi-trace
