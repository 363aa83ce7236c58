"""The domain bound to this host's account at the authority, registered only after the zone was first written."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from testinfra.host import Host

from support.deploy import deploy, playbook
from support.zone_host import DOMAIN, VARIABLES, values

testinfra_hosts = ["ssh://proxy13"]

SERVER = "https://acme.example.org/dir"
URI = "https://acme.example.org/acct/42"
# Where certbot keeps accounts, by server.
FOLDER = "/etc/letsencrypt/accounts/acme.example.org"
BOUND: dict[str, object] = {
    **VARIABLES,
    "dns_zone_acme_server": SERVER,
    "dns_zone_caa_own_account": True,
    "dns_zone_caa_validation_methods": ["dns-01"],
}
# As proxy.yml does after role certificates.
AFTERWARDS = """
- hosts: proxy13
  become: true
  tasks:
    - ansible.builtin.include_role: {name: dns_zone, tasks_from: new_account.yml}
"""
OPEN = '0 issue "letsencrypt.org; validationmethods=dns-01'
CLOSED = f'0 issue "letsencrypt.org; accounturi={URI}; validationmethods=dns-01'


@pytest.fixture
def bound(host: Host, tmp_path: Path) -> Iterator[None]:
    """A domain that is to be bound to an account that nobody has registered yet."""
    assert deploy("dns_zone", "proxy13", tmp_path, **BOUND) > 0
    yield
    host.check_output(f"rm -rf {FOLDER}")
    deploy("dns_zone", "proxy13", tmp_path, **VARIABLES)
    assert values(DOMAIN, "CAA") == {'0 issue "letsencrypt.org'}


@pytest.mark.usefixtures("bound")
def test_the_first_run_names_the_account_and_a_second_changes_nothing(host: Host, tmp_path: Path) -> None:
    # The authority has to give the first certificate to an account that nobody knows yet.
    assert values(DOMAIN, "CAA") == {OPEN}
    account = json.dumps({"body": {}, "uri": URI})
    host.check_output(f"mkdir -p {FOLDER}/dir/0123 && echo '{account}' >{FOLDER}/dir/0123/regr.json")
    afterwards = tmp_path / "afterwards.yml"
    afterwards.write_text(AFTERWARDS)
    assert "changed=0" not in playbook(afterwards, "-e", json.dumps(BOUND))
    assert values(DOMAIN, "CAA") == {CLOSED}
    assert deploy("dns_zone", "proxy13", tmp_path, **BOUND) == 0
