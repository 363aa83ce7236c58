#!/usr/bin/env bash
# Runs one Molecule scenario: scenario.sh NAME. The bed stays for whoever wants to look; what Molecule remembers of the last
# one does not. The scenario pbs removes its own hosts, and where there is no OpenPBS it is not run, which the sum of the
# tests then says.
set -euo pipefail
# shellcheck source=scripts/dev/engine.sh
. "$(dirname "${BASH_SOURCE[0]}")/engine.sh"

scenario=$1
destroy=never

not_run() {
  echo "$scenario: $1" >&2
  printf '<testsuites><testsuite><testcase classname="molecule" name="%s"><skipped message="%s"/></testcase></testsuite></testsuites>\n' \
    "$scenario" "$1" >"$bed_state/results/$scenario.xml"
}

if [[ $scenario == pbs ]]; then
  destroy=always
  if ! why=$(scripts/dev/openpbs.sh 2>&1 >/dev/null); then
    not_run "$why"
    exit
  fi
fi
molecule reset --scenario-name "$scenario" >/dev/null 2>&1 || true
exec molecule test --scenario-name "$scenario" --destroy "$destroy"
