"""What the roles' preflights refuse, by the real ansible-playbook: in one run for a role each wrong value is a host."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from functools import cache
from typing import Any

import pytest

from unit.ansible.plugins import REPOSITORY

ANSIBLE = REPOSITORY / "ansible"
SCRIPT = str(REPOSITORY / "scripts/dev/lint.sh")
CLOUDFLARE = {
    "certificates_dns_provider": "cloudflare",
    "certificates_dns_credentials": {"dns_cloudflare_api_token": "a"},
}
# What the other variables are.
RIGHT: dict[str, dict[str, Any]] = {
    "certificates": {
        "certificates_domain": "notebooks.example.org",
        "certificates_ca": "https://acme.example.org/dir",
        "certificates_rfc2136_server": "192.0.2.53",
        "certificates_rfc2136_secret": "c2VjcmV0",
    },
    "link_registry": {
        "link_registry_domain": "notebooks.example.org",
        "link_registry_clusters": {"demo": {"networks": ["10.1.0.0/16"]}},
    },
    "web_proxy": {"web_proxy_domain": "notebooks.example.org"},
    "cluster_tools": {
        "cluster_tools_cluster": "demo",
        "cluster_tools_compute_networks": ["10.1.0.0/16"],
        "cluster_tools_registry_url": "https://registry.notebooks.example.org",
        "cluster_tools_registry_host": "host0",
    },
}
PLAY = """\
- hosts: all
  gather_facts: false
  connection: local
  tasks:
    - ansible.builtin.set_fact:
        os_family: Debian
        distribution: Debian
        python: {version: {major: 3, minor: 13}}
        python_version: "3.13"
        cacheable: true
    - ansible.builtin.include_role: {name: ROLE, tasks_from: preflight.yml}
"""
# A role, values that a site gives its variables by mistake, and the words of the sentence that they are answered with.
WRONG: list[tuple[str, dict[str, Any], str]] = [
    ("certificates", {"certificates_dns_provider": "nosuch"}, 'is "nosuch". Set it to rfc2136'),
    ("certificates", {"certificates_dns_provider": "deployed", "certificates_dns_package": "a==1"}, 'is "deployed"'),
    ("certificates", {"certificates_dns_provider": "desec"}, 'e.g. {"dns_desec_token": "..."}'),
    ("certificates", CLOUDFLARE | {"certificates_dns_credentials": {"token": "a"}}, "begin with dns_cloudflare_"),
    (
        "certificates",
        CLOUDFLARE | {"certificates_dns_credentials": {"dns_cloudflare_api_token": "a\nb"}},
        "neither a number nor a text in one line",
    ),
    ("certificates", CLOUDFLARE | {"certificates_dns_package": "certbot-dns-cloudflare==5.8.0"}, "have theirs locked"),
    (
        "certificates",
        {
            "certificates_dns_provider": "infomaniak",
            "certificates_dns_package": "certbot-dns-infomaniak",
            "certificates_dns_credentials": {"dns_infomaniak_token": "a"},
        },
        "Set it to a package and its version",
    ),
    ("certificates", {"certificates_dns_provider": "hook", "certificates_dns_hook": "/nowhere"}, "no such script"),
    (
        "certificates",
        {
            "certificates_dns_provider": "hook",
            "certificates_dns_hook": SCRIPT,
            "certificates_challenge_domain": "acme.example.org",
        },
        "Have your script write to the other domain",
    ),
    ("certificates", {"certificates_challenge_domain": "notebooks.example.org"}, "another domain than notebooks"),
    (
        "certificates",
        {
            "certificates_challenge_domain": "acme.example.org",
            "certificates_rfc2136_server": "127.0.0.1",
            "certificates_rfc2136_secret": "",
        },
        "for the name server of that other domain",
    ),
    ("certificates", {"certificates_rfc2136_server": "ns.example.org"}, "certbot accepts no name here"),
    ("certificates", {"certificates_rfc2136_port": 0}, "certificates_rfc2136_port is 0. Set it from 1 to 65535."),
    ("certificates", {"certificates_email": "root"}, "Set it to a mail address that is read"),
    ("certificates", {"certificates_eab_key_id": "kid"}, "Set both as your authority gave them to you"),
    (
        "link_registry",
        {"link_registry_links_authority_chain": SCRIPT, "link_registry_links_authority_key": "/nowhere.pem"},
        'link_registry_links_authority_key is "/nowhere.pem", which cannot be read on this machine',
    ),
    (
        "link_registry",
        {"link_registry_links_authority_key": SCRIPT},
        "has no PEM block of a private key. Set it to a file of this machine: its private key",
    ),
    (
        "certificates",
        {"certificates_workstations": [{"host": "desk", "names": ["registry.notebooks.example.org"]}]},
        'workstation_certificate_names of desk has "registry.notebooks.example.org", which is the service',
    ),
    ("link_registry", {"link_registry_user_quota": "many"}, "link_registry_user_quota"),
    (
        "link_registry",
        {"link_registry_max_hours": 0},
        "link_registry_max_hours is 0. Set it to a whole number from 1 to 8760.",
    ),
    ("link_registry", {"link_registry_user_creations_per_hour": 0}, "Set it to a whole number from 1 to 1000000."),
    (
        "link_registry",
        {"link_registry_contact": "helpdesk"},
        "to an e-mail address or an address that begins with https://",
    ),
    (
        "link_registry",
        {"link_registry_guide_url": "example.org/guide"},
        "Set it to an address that begins with https://",
    ),
    ("link_registry", {"link_registry_message": "x" * 501}, "Set it to plain text of at most 500 characters"),
    ("link_registry", {"link_registry_store_url": "mysql://10.9.0.5/links"}, "nor the URL of a PostgreSQL database"),
    ("link_registry", {"link_registry_store_networks": ["10.9.0.5"]}, "Set it to the networks of the database"),
    ("link_registry", {"link_registry_lease_seconds": 19}, "at least twice link_registry_heartbeat_seconds (30)"),
    ("link_registry", {"link_registry_target_rest_seconds": 60}, "Set it above 60"),
    ("web_proxy", {"web_proxy_page_rate": 0}, "web_proxy_page_rate is 0. Set it to a whole number of at least 1."),
    ("web_proxy", {"web_proxy_guide_url": "example.org/guide"}, "Set it to an address that begins with https://"),
    ("web_proxy", {"web_proxy_worker_connections": 512}, "Set it above web_proxy_keepalive_connections (512)"),
    ("cluster_tools", {"cluster_tools_prefix": "shared/lightship"}, "Set it to an absolute path"),
    ("cluster_tools", {"cluster_tools_registry_ca": "/nowhere.pem"}, "no PEM file with a certificate"),
    ("cluster_tools", {"cluster_tools_poll_seconds": 0}, "Set it to a whole number from 1 to 60."),
    ("cluster_tools", {"cluster_tools_default_time": "soon"}, "Set it to minutes"),
    ("cluster_tools", {"cluster_tools_presets": {"gpu": {"memory": "much"}}}, "in [preset gpu], memory"),
    ("cluster_tools", {"cluster_tools_more_defaults": {"corse": 4}}, "Did you mean 'cores'? It comes from"),
]
ACCEPTED: list[tuple[str, dict[str, Any]]] = [
    ("certificates", {}),
    ("link_registry", {}),
    ("web_proxy", {}),
    ("certificates", CLOUDFLARE),
    ("certificates", CLOUDFLARE | {"certificates_challenge_domain": "acme.example.org"}),
    (
        "certificates",
        {"certificates_dns_provider": "google", "certificates_dns_credentials": {"private_key": "-----\na\n-----\n"}},
    ),
    ("certificates", {"certificates_dns_provider": "hook", "certificates_dns_hook": SCRIPT}),
    ("certificates", {"certificates_workstations": [{"host": "desk", "names": ["ws1.notebooks.example.org"]}]}),
]


@pytest.fixture(scope="module")
def refusals(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Return the function that says what a role answers to values: nothing if it accepts them."""

    @cache
    def answers(role: str) -> dict[str, str]:
        folder = tmp_path_factory.mktemp(role)
        cases = [values for each, values in [(one, two) for one, two, _ in WRONG] + ACCEPTED if each == role]
        hosts = {f"host{number}": RIGHT[role] | values for number, values in enumerate(cases)}
        (folder / "hosts.json").write_text(json.dumps({"all": {"hosts": hosts}}))
        (folder / "play.yml").write_text(PLAY.replace("ROLE", role))
        environment = {**os.environ, "ANSIBLE_CONFIG": str(ANSIBLE / "ansible.cfg"), "COLUMNS": "1000"}
        interpreter = f"ansible_python_interpreter={sys.executable}"
        done = subprocess.run(
            ["ansible-playbook", "-i", str(folder / "hosts.json"), str(folder / "play.yml"), "-e", interpreter],
            cwd=ANSIBLE,
            env=environment,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        said = done.stdout + done.stderr
        assert "changed=0" in said, said
        assert not re.search("changed=[1-9]", said), said
        # Anything but a refusal is a mistake of ours.
        assert "fatal:" not in said, said
        found = re.findall(r"^Refused: \[(host\d+)\] (.*)", said, re.MULTILINE)
        return {json.dumps(hosts[name]): sentence for name, sentence in found}

    return lambda role, values: answers(role).get(json.dumps(RIGHT[role] | values), "")


@pytest.mark.parametrize(("role", "values", "sentence"), WRONG, ids=[json.dumps(values) for _, values, _ in WRONG])
def test_a_wrong_value_is_refused_with_what_to_set(
    refusals: Any, role: str, values: dict[str, Any], sentence: str
) -> None:
    assert sentence in refusals(role, values)


@pytest.mark.parametrize(
    ("role", "values"), ACCEPTED, ids=[f"{role} {json.dumps(values)}" for role, values in ACCEPTED]
)
def test_a_right_value_is_accepted(refusals: Any, role: str, values: dict[str, Any]) -> None:
    assert refusals(role, values) == ""
