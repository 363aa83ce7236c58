#!/usr/bin/env bash
# Runs one Molecule scenario: scenario.sh NAME [deploy|verify]; `deploy` and `verify` are the halves of `default`. The bed is
# kept; Molecule's own state of the last run is not. Without a bed, a role's scenario makes the hosts that it needs. The
# scenario pbs removes its own hosts; without OpenPBS it does not run, and the summary of the tests says so.
set -euo pipefail
# shellcheck source=scripts/dev/engine.sh
. "$(dirname "${BASH_SOURCE[0]}")/engine.sh"

scenario=$1
part=${2:-whole}
# The tests need to know that the service was deployed, which is recorded after the first half.
if [[ $scenario/$part == default/whole ]]; then "$0" default deploy && exec "$0" default verify || exit; fi
destroy=never
# The tests write the first file; this script writes the second when the scenario itself fails or is skipped.
results=$bed_state/results/$scenario.xml
# Lists the roles and playbooks that were applied to the hosts; bed.sh removes it with them.
applied=$bed_state/applied
itself=$bed_state/results/$scenario-itself.xml

# Adds a line for the whole scenario to the summary of the tests: report failure|skipped REASON.
report() {
  echo "$scenario: $2" >&2
  printf '<testsuites><testsuite><testcase classname="molecule" name="%s"><%s message="%s"/></testcase></testsuite></testsuites>\n' \
    "$scenario" "$1" "$2" >"$itself"
}

# Prints a setting from a scenario's molecule.yml: setting NAME SCENARIO.
setting() { sed -n "s/^ *$1: *//p" "tests/molecule/$2/molecule.yml"; }

# Makes the hosts of a role's scenario and applies the roles that its role builds on, unless that is done already.
prepare() {
  local hosts host need
  hosts=$(setting ROLE_HOSTS "$scenario")
  [[ $hosts ]] || return 0
  host=proxy13
  [[ $hosts != login ]] || host=login
  if ! "$CONTAINER_ENGINE" container inspect "lightship-$host" >/dev/null 2>&1; then
    ansible-playbook --inventory tests/molecule/inventory tests/molecule/default/create.yml \
      --limit "localhost,acme,$([[ $host == login ]] && echo proxy,bed_cluster || echo bed_roles)" || return
  fi
  for need in $(setting ROLE_AFTER "$scenario"); do
    if ! grep -qsx "$need" "$applied"; then
      if [[ $need == *.yml ]]; then
        ansible-playbook --inventory tests/molecule/inventory "ansible/$need" || return
      else
        molecule converge --scenario-name "$need" || return
      fi
      echo "$need" >>"$applied"
    fi
  done
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
  scripts/dev/bed.sh up || {
    report failure "there is no bed; make molecule SCENARIOS=default makes one"
    exit 1
  }
  molecule verify --scenario-name "$scenario" && exit
else
  rm -f "$itself"
  molecule reset --scenario-name "$scenario" >/dev/null 2>&1 || true
  # The scenario's molecule.yml reads this.
  [[ $part == whole ]] || export BED_VERIFY=false
  if prepare && molecule test --scenario-name "$scenario" --destroy "$destroy"; then
    if [[ $scenario == default ]]; then scripts/dev/bed.sh mark-deployed; else echo "$scenario" >>"$applied"; fi
    exit
  fi
fi
[[ -f $results ]] || report failure "ended before its tests; what it printed says why"
exit 1
