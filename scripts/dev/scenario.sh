#!/usr/bin/env bash
# Runs one Molecule scenario: scenario.sh NAME [deploy|verify]; of `default` either half alone can be wanted. The bed stays for
# whoever wants to look; what Molecule remembers of the last one does not. The scenario pbs removes its own hosts, and where
# there is no OpenPBS it is not run, which the sum of the tests then says.
set -euo pipefail
# shellcheck source=scripts/dev/engine.sh
. "$(dirname "${BASH_SOURCE[0]}")/engine.sh"

scenario=$1
part=${2:-whole}
destroy=never
# The first is written by the tests, the second when the scenario has something to say without them.
results=$bed_state/results/$scenario.xml
itself=$bed_state/results/$scenario-itself.xml

# One line in the sum of the tests for the scenario as a whole: report failure|skipped REASON.
report() {
  echo "$scenario: $2" >&2
  printf '<testsuites><testsuite><testcase classname="molecule" name="%s"><%s message="%s"/></testcase></testsuite></testsuites>\n' \
    "$scenario" "$1" "$2" >"$itself"
}

if [[ $scenario == pbs ]]; then
  destroy=always
  if ! why=$(scripts/dev/openpbs.sh 2>&1 >/dev/null); then
    report skipped "$why"
    exit
  fi
fi
rm -f "$results"
if [[ $part == verify ]]; then
  molecule verify --scenario-name "$scenario" && exit
else
  rm -f "$itself"
  molecule reset --scenario-name "$scenario" >/dev/null 2>&1 || true
  # Read by the scenario's own file.
  [[ $part == whole ]] || export BED_VERIFY=false
  molecule test --scenario-name "$scenario" --destroy "$destroy" && exit
fi
[[ -f $results ]] || report failure "ended before its tests; what it printed says why"
exit 1
