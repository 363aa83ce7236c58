#!/usr/bin/env bash
# Runs the whole service on this machine: the test bed, ansible/site.yml, and a notebook that an ordinary user starts through
# Slurm. It uses a running bed as it is, and does not repeat playbooks that have not changed since they were deployed.
set -euo pipefail
# shellcheck source=scripts/dev/engine.sh
. "$(dirname "${BASH_SOURCE[0]}")/engine.sh"

inventory=tests/molecule/inventory
say() { printf '\n== %s\n' "$*"; }

if ! scripts/dev/bed.sh up; then
  say "Starting the hosts: proxy, ACME authority, login node, two compute nodes (first time: a few minutes for their images)"
  scripts/dev/images.sh bed
  ansible-playbook --inventory "$inventory" tests/molecule/default/create.yml
fi

if ! scripts/dev/bed.sh deployed; then
  say "Deploying the service with ansible/site.yml"
  ansible-playbook --inventory "$inventory" ansible/site.yml
  scripts/dev/bed.sh mark-deployed
fi

say "Starting a notebook: alice@login runs start-jupyter"
ssh -F "$bed_state/ssh_config" -o LogLevel=ERROR -tt alice@login 'start-jupyter -b slurm/jupyterlab.sh -t 60' </dev/null

# Only the user who made the bed can read its keys.
sudo=${SUDO_USER:+sudo }
cat <<END

The link above opens in a browser on this machine, once the browser trusts the demo's certificate authority:

  Chromium   certutil -d sql:\$HOME/.pki/nssdb -A -t C,, -n lightship-demo -i $PWD/$bed_state/pebble-root.pem
  Firefox    Settings > Privacy & Security > View Certificates > Authorities > Import: $PWD/$bed_state/pebble-root.pem
  curl       curl --cacert $bed_state/pebble-root.pem 'https://...'

Go on:

  ${sudo}ssh -F $bed_state/ssh_config alice@login     a shell on the login node; try start-jupyter --help
  ${sudo}ssh -F $bed_state/ssh_config proxy           the proxy host, as root: ls /run/lightship/routes
  ${sudo}make demo-down                            end the demo (and: certutil -d sql:\$HOME/.pki/nssdb -D -n lightship-demo)
END
