#!/usr/bin/env bash
# The unit tests of the cluster's side on the oldest Python that it promises to run on: Debian 11's, in a container.
set -euo pipefail
# shellcheck source=scripts/dev/engine.sh
. "$(dirname "${BASH_SOURCE[0]}")/engine.sh"

mkdir -p "$bed_state/results"
# A shell comes first in there: it takes in the processes whose parents have ended, as a host's init does.
"$CONTAINER_ENGINE" run --rm --network=none --label=lightship.bed=yes \
  --volume="$PWD:/src:ro" --volume="$PWD/$bed_state/results:/results" --workdir=/src --env=PYTHONDONTWRITEBYTECODE=1 \
  localhost/lightship/python39:bullseye \
  bash -c '"$@"; exit $?' first \
  /opt/tests/bin/python -m pytest -p no:cacheprovider --numprocesses=auto --junitxml=/results/python39.xml tests/unit/lightship_cluster
