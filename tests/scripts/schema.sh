#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# Run files and summaries against the schemas in results/: what is published, and what is written now.
# shellcheck disable=SC2317 # conditions are called by name

. "$(dirname "$0")/tap.sh"
cd "$root" || exit 1
kvmi_lat=$root/build/kvmi-lat

if ! python3 -c 'import jsonschema' 2>/dev/null; then
	skip "schemas" "there is no validator; apt-get install python3-jsonschema"
	finish
fi
[ -x "$kvmi_lat" ] || { skip "schemas" "there is no $kvmi_lat; make builds it" && finish; }

# valid SCHEMA FILE...: says of the first that is not valid what is wrong and where
valid()
{
	timeout 60 python3 - "$@" <<'P'
import json, sys
from jsonschema import Draft202012Validator

schema = json.load(open(sys.argv[1]))
Draft202012Validator.check_schema(schema)
for name in sys.argv[2:]:
    for error in Draft202012Validator(schema).iter_errors(json.load(open(name))):
        sys.exit(f"{name}: {error.json_path}: {error.message[:200]}")
P
}

# A key that is in no schema, a stage that is none, a count that is negative: a schema that takes those is no test.
damaged()	# SCHEMA FILE JQ
{
	jq "$3" "$2" >"$tmp/damaged.json" && ! cmp -s "$2" "$tmp/damaged.json" || return 1
	! valid "$1" "$tmp/damaged.json" 2>"$tmp/err"
}

run_schema=results/run-schema.json
summary_schema=results/summary-schema.json
published=$(ls results/*-seed*.json)

# shellcheck disable=SC2086 # names without blanks
run valid $run_schema $published tests/unit/sample-run.json
check "published run files are what run-schema.json says" status_is 0
check "a stage that is none is found" damaged $run_schema tests/unit/sample-run.json '.stages[0].stage = "lunch"'
check "a negative count is found" damaged $run_schema tests/unit/sample-run.json '.counters.int3.exits = -1'
check "a key too many is found" damaged $run_schema tests/unit/sample-run.json '.more = 1'

n=0
for file in $published tests/unit/sample-run.json; do
	n=$((n + 1))
	"$kvmi_lat" report --json "$file" >"$tmp/summary.$n.json" || echo "{}" >"$tmp/summary.$n.json"
done
"$kvmi_lat" export --format json --stage total tests/unit/sample-run.json >"$tmp/summary.0.json" ||
	echo "{}" >"$tmp/summary.0.json"
run valid $summary_schema "$tmp"/summary.*.json
check "report --json and export --format json are what summary-schema.json says" status_is 0
check "a summary without its unit's name is found" damaged $summary_schema "$tmp/summary.1.json" '.fingerprint.unit = "s"'
check "a stage without its sum is found" damaged $summary_schema "$tmp/summary.1.json" 'del(.cases[0].stages[0].sum)'

if "$kvmi_lat" record -o "$tmp/now.json" -- true >/dev/null 2>"$tmp/why"; then
	run valid $run_schema "$tmp/now.json"
	check "a run recorded now is what run-schema.json says" status_is 0
else
	skip "a run recorded now" "cannot record here: $(head -n 1 "$tmp/why")"
fi

finish
