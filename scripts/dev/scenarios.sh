#!/usr/bin/env bash
# Runs Molecule scenarios: scenarios.sh [--deployed] [NAME...], without names all. `default` makes the bed and deploys the
# service, unless --deployed says that this is done. The roles that have a host of their own are tested in parallel with its
# tests, and the roles that need the cluster's login node afterwards, in parallel with `pbs`.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.." || exit

# The first are for both hosts at once, the others for one.
on_both_hosts=(dns_zone certificates link_registry)
on_trixie=(web_proxy web_proxy_apache ssh_gateway)
on_bookworm=(web_proxy_bookworm web_proxy_apache_bookworm)
on_login=(cluster_tools notebook_image)
all=(default "${on_both_hosts[@]}" "${on_trixie[@]}" "${on_bookworm[@]}" "${on_login[@]}" pbs)
deploy=yes
if [[ ${1:-} == --deployed ]]; then
  deploy=no
  shift
fi
[[ $# -gt 0 ]] || set -- "${all[@]}"
names=" $* "
state=.bed/results
failed=$state/failed

for name in "$@"; do
  if [[ " ${all[*]} " != *" $name "* ]]; then
    echo "There is no scenario $name. There are: ${all[*]}" >&2
    exit 1
  fi
done

# run NAME [deploy|verify]: does nothing if the scenario was not asked for.
run() {
  [[ $names != *" $1 "* ]] || scripts/dev/scenario.sh "$@" || echo "$1" >>"$failed"
}

# in_turn NAME...: one after the other.
in_turn() {
  local name
  for name in "$@"; do run "$name"; done
}

# Each of the two hosts has its own roles to test after those that both have.
on_own_hosts() {
  in_turn "${on_both_hosts[@]}"
  in_turn "${on_bookworm[@]}" >"$state/bookworm.log" 2>&1 &
  in_turn "${on_trixie[@]}"
  wait
  cat "$state/bookworm.log"
}

# meanwhile FIRST -- COMMAND: runs the command in parallel with the first scenario; prints its output afterwards.
meanwhile() {
  local first=() lane
  while [[ $1 != -- ]]; do
    first+=("$1")
    shift
  done
  shift
  set -m
  # Its own jobs stay in its process group.
  { set +m; "$@"; } >"$state/meanwhile.log" 2>&1 &
  lane=$!
  set +m
  run "${first[@]}"
  wait "$lane"
  cat "$state/meanwhile.log"
}

mkdir -p "$state"
rm -f "$failed"
# The background jobs are a process group, so that all their processes can be ended together.
end_jobs() {
  local job
  for job in $(jobs -p); do kill -- "-$job" 2>/dev/null; done
}
trap end_jobs EXIT
[[ $deploy == no ]] || run default deploy
meanwhile default verify -- on_own_hosts
meanwhile pbs -- in_turn "${on_login[@]}"
if [[ -s $failed ]]; then
  echo "Scenarios that failed: $(sort -u "$failed" | xargs)"
  exit 1
fi
