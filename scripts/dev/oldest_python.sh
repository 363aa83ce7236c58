#!/usr/bin/env bash
# Runs the unit tests of the cluster's programs on the oldest Python that they support: Debian 11's, in a container.
set -euo pipefail
# shellcheck source=scripts/dev/engine.sh
. "$(dirname "${BASH_SOURCE[0]}")/engine.sh"

mkdir -p "$bed_state/results"
# The container's first process is a shell: it reaps processes whose parents have ended, as a host's init does.
"$CONTAINER_ENGINE" run --rm --network=none --label=lightship.bed=yes \
  --volume="$PWD:/src:ro" --volume="$PWD/$bed_state/results:/results" --workdir=/src --env=PYTHONDONTWRITEBYTECODE=1 \
  localhost/lightship/python39:bullseye \
  bash -c '"$@"; exit $?' first \
  /opt/tests/bin/python -m pytest -p no:cacheprovider --numprocesses=auto --junitxml=/results/python39.xml tests/unit/lightship_cluster
