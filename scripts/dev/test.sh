#!/usr/bin/env bash
# Runs everything: static checks, unit tests, the whole service and every role on the test bed. The test bed's images are built and
# the service is deployed while the tests run that need no host. After a failure only the steps that depend on it are skipped;
# any failure ends the script with 1.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.." || exit

rm -rf .bed/results .bed/ansible.log
mkdir -p .bed/results
began=$SECONDS
failed=()

step() {
  local name=$1 start=$SECONDS
  shift
  printf '\n######## %s, in minute %d\n' "$name" $(((SECONDS - began) / 60 + 1))
  if "$@"; then
    printf '######## %s: passed in %d s\n' "$name" $((SECONDS - start))
  else
    printf '######## %s: FAILED after %d s\n' "$name" $((SECONDS - start))
    failed+=("$name")
    return 1
  fi
}

# Waits for a background job and shows what it printed.
done_meanwhile() {
  local log=.bed/$1.log status
  wait "$2"
  status=$?
  cat "$log"
  return $status
}

# Each job is a process group, so that all its processes can be ended together.
end_jobs() {
  local job
  for job in $(jobs -p); do kill -- "-$job" 2>/dev/null; done
}
trap end_jobs EXIT
set -m
scripts/dev/images.sh bed >.bed/images.log 2>&1 &
hosts=$!
after_hosts() {
  tail --pid=$hosts -f /dev/null
  exec "$@"
}
after_hosts scripts/dev/scenario.sh default deploy >.bed/deploy.log 2>&1 &
deploy=$!
after_hosts scripts/dev/images.sh >>.bed/images.log 2>&1 &
images=$!
set +m
step lint make --no-print-directory lint
step unit make --no-print-directory unit
step "images of the test bed" done_meanwhile images $images &&
  step "unit tests of the cluster's side on Python 3.9" scripts/dev/oldest_python.sh
step "the service on the test bed" done_meanwhile deploy $deploy
step molecule scripts/dev/scenarios.sh --deployed

printf '\n'
[[ ${#failed[@]} -eq 0 ]] || printf 'Failed: %s\n' "${failed[*]}"
printf 'The whole run took %d min.\n' $(((SECONDS - began + 30) / 60))
python scripts/dev/count_tests.py .bed/results && [[ ${#failed[@]} -eq 0 ]]
