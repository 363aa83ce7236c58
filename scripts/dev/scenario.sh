#!/usr/bin/env bash
# Runs one Molecule scenario: scenario.sh NAME. The bed stays for whoever wants to look; what Molecule remembers of the last
# one does not. The scenario pbs removes its own hosts, and where there is no OpenPBS it is not run, which the sum of the
# tests then says.
set -euo pipefail
# shellcheck source=scripts/dev/engine.sh
. "$(dirname "${BASH_SOURCE[0]}")/engine.sh"

scenario=$1
destroy=never
results=$bed_state/results/$scenario.xml

# One line in the sum of the tests for the scenario as a whole: report failure|skipped REASON.
report() {
  echo "$scenario: $2" >&2
  printf '<testsuites><testsuite><testcase classname="molecule" name="%s"><%s message="%s"/></testcase></testsuite></testsuites>\n' \
    "$scenario" "$1" "$2" >"$results"
}

if [[ $scenario == pbs ]]; then
  destroy=always
  if ! why=$(scripts/dev/openpbs.sh 2>&1 >/dev/null); then
    report skipped "$why"
    exit
  fi
fi
molecule reset --scenario-name "$scenario" >/dev/null 2>&1 || true
rm -f "$results"
molecule test --scenario-name "$scenario" --destroy "$destroy" && exit
[[ -f $results ]] || report failure "ended before its tests; what it printed says why"
exit 1
