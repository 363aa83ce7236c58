"""The registry's configuration, read by the registry's own reader, and the limits of its unit."""

from __future__ import annotations

import ipaddress
import re
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from lightship_protocol.centre import UNNAMED, Centre
from lightship_registry.admin.status import ExitStatus
from lightship_registry.core import settings
from lightship_registry.core.errors import RegistryError

Render = Callable[..., str]

VARIABLES = Path(__file__).parents[2] / "roles" / "link_registry" / "vars" / "main.yml"

SITE = {
    "role_path": "/roles/link_registry",
    "link_registry_domain": "notebooks.example.org",
    "link_registry_clusters": {
        "demo": {"networks": ["10.1.0.0/16"]},
        "big-one": {"networks": ["10.2.0.0/16", "2001:db8:2::/48"]},
    },
}


@pytest.fixture
def unit(render: Render) -> dict[str, list[str]]:
    """Return the settings of the unit, each with all its values."""
    found: dict[str, list[str]] = {}
    for key, value in re.findall(
        r"^(\w+)=(.*)$", render("link_registry", "lightship-registry.service.j2", **SITE), re.M
    ):
        found.setdefault(key, []).append(value)
    return found


def test_the_registry_accepts_what_the_role_writes(render: Render) -> None:
    read = settings.parse(tomllib.loads(render("link_registry", "registry.toml.j2", **SITE)))
    assert read.domain == "notebooks.example.org"
    assert read.https_port == 443
    assert read.clusters["demo"] == (ipaddress.ip_network("10.1.0.0/16"),)
    assert len(read.clusters["big-one"]) == 2


def test_the_satellites_clients_are_let_in_from_where_the_site_says_and_from_nowhere_by_default(render: Render) -> None:
    read = settings.parse(tomllib.loads(render("link_registry", "registry.toml.j2", **SITE)))
    assert read.satellite_networks == {}
    demo = {"networks": ["10.1.0.0/16"], "satellite_networks": ["10.1.0.0/16", "10.0.0.0/28"]}
    clusters = {"demo": demo, "new": {"networks": ["10.2.0.0/16"], "satellite_networks": []}}
    text = render("link_registry", "registry.toml.j2", **{**SITE, "link_registry_clusters": clusters})
    read = settings.parse(tomllib.loads(text))
    assert {name: len(networks) for name, networks in read.satellite_networks.items()} == {"demo": 2}
    unit = render("link_registry", "lightship-registry.service.j2", **{**SITE, "link_registry_clusters": clusters})
    assert "IPAddressAllow=10.1.0.0/16 10.2.0.0/16\n" in unit


def test_the_defaults_of_the_role_are_those_of_the_service(render: Render) -> None:
    read = settings.parse(tomllib.loads(render("link_registry", "registry.toml.j2", **SITE)))
    for name, rule in settings.NUMBERS.items():
        assert getattr(read, name) == rule["default"], name


@pytest.mark.parametrize(("name", "value"), [("user_quota", 3), ("max_hours", "24"), ("https_port", "8443")])
def test_a_sites_numbers_are_numbers_however_the_inventory_writes_them(
    render: Render, name: str, value: object
) -> None:
    text = render("link_registry", "registry.toml.j2", **SITE, **{f"link_registry_{name}": value})
    assert getattr(settings.parse(tomllib.loads(text)), name) == int(str(value))


def test_what_a_centre_tells_those_who_wait_arrives_as_it_was_written(render: Render) -> None:
    message = 'Maintenance on "Friday":\nsave your work \\o/ ä {# #} \U0001f6e0'
    text = render("link_registry", "registry.toml.j2", **SITE, link_registry_message=message)
    assert settings.parse(tomllib.loads(text)).message == message


def test_a_centres_name_contact_and_guide_arrive_and_are_none_by_default(render: Render) -> None:
    read = settings.parse(tomllib.loads(render("link_registry", "registry.toml.j2", **SITE)))
    assert read.centre == UNNAMED
    centre = {
        "centre_name": 'Zürich "HPC" {{ 7 }}',
        "contact": "help@example.org",
        "guide_url": "https://example.org/a",
    }
    site = {**SITE, **{f"link_registry_{key}": value for key, value in centre.items()}}
    read = settings.parse(tomllib.loads(render("link_registry", "registry.toml.j2", **site)))
    assert read.centre == Centre(*centre.values())


def test_the_unit_reaches_the_networks_of_all_clusters_and_no_other(unit: dict[str, list[str]]) -> None:
    assert unit["IPAddressDeny"] == ["any"]
    assert set(unit["IPAddressAllow"][0].split()) == {"10.1.0.0/16", "10.2.0.0/16", "2001:db8:2::/48"}


def test_the_unit_reaches_the_database_as_well(render: Render) -> None:
    site = {**SITE, "link_registry_store_networks": ["10.9.0.5/32"]}
    text = render("link_registry", "lightship-registry.service.j2", **site)
    (allowed,) = re.findall(r"^IPAddressAllow=(.*)$", text, re.M)
    assert set(allowed.split()) == {"10.1.0.0/16", "10.2.0.0/16", "2001:db8:2::/48", "10.9.0.5/32"}


def test_the_database_is_a_file_unless_the_site_names_one(render: Render) -> None:
    read = settings.parse(tomllib.loads(render("link_registry", "registry.toml.j2", **SITE)))
    assert str(read.store) == "sqlite:////var/lib/lightship/registry.sqlite3"
    url = 'postgresql+psycopg://lightship:a"b%5C@10.9.0.5/lightship'
    text = render("link_registry", "registry.toml.j2", **SITE, link_registry_store_url=url)
    assert settings.parse(tomllib.loads(text)).store.password == 'a"b\\'


@pytest.mark.parametrize("port", [9464, "9464"])
def test_the_unit_reaches_itself_for_those_who_read_its_metrics(render: Render, port: object) -> None:
    site = {**SITE, "link_registry_metrics_port": port}
    text = render("link_registry", "lightship-registry.service.j2", **site)
    (allowed,) = re.findall(r"^IPAddressAllow=(.*)$", text, re.M)
    assert set(allowed.split()) == {"10.1.0.0/16", "10.2.0.0/16", "2001:db8:2::/48", "127.0.0.1/32"}
    assert settings.parse(tomllib.loads(render("link_registry", "registry.toml.j2", **site))).metrics_port == 9464


def test_the_audit_has_a_file_unless_the_site_wants_none(render: Render) -> None:
    read = settings.parse(tomllib.loads(render("link_registry", "registry.toml.j2", **SITE)))
    assert str(read.audit_file) == settings.AUDIT_FILE
    text = render("link_registry", "registry.toml.j2", **SITE, link_registry_audit_file="")
    assert settings.parse(tomllib.loads(text)).audit_file is None


def test_the_audits_file_is_rotated_as_its_owner_and_stays_readable_for_its_group(render: Render) -> None:
    text = render("link_registry", "logrotate.j2", **SITE)
    assert "\n/var/log/lightship/*.jsonl {\n" in text
    assert settings.AUDIT_FILE.startswith("/var/log/lightship/")
    lines = {line.strip() for line in text.splitlines()}
    assert {"su lightship adm", "create 0640 lightship adm", "delaycompress", "missingok"} <= lines


def test_the_unit_writes_its_state_and_what_others_read_and_nothing_else(unit: dict[str, list[str]]) -> None:
    assert unit["ProtectSystem"] == ["strict"]
    (writable,) = unit["ReadWritePaths"]
    run = [f"/run/lightship/{name}" for name in ("routes", "cut", "tunnels")]
    assert writable.split() == ["/var/lib/lightship", *run, "-/var/log/lightship"]


def test_the_group_of_the_socket_and_of_the_routes_is_one(render: Render) -> None:
    site = {**SITE, "link_registry_socket_group": "webservers"}
    assert "SocketGroup=webservers\n" in render("link_registry", "lightship-registry.socket.j2", **site)
    assert "2750 lightship webservers\n" in render("link_registry", "tmpfiles.conf.j2", **site)


def test_the_connection_killer_has_one_capability_and_writes_its_folder_alone(render: Render) -> None:
    text = render("link_registry", "lightship-cut.service.j2", **SITE)
    found = re.findall(r"^(\w+)=(.*)$", text, re.M)
    assert ("CapabilityBoundingSet", "CAP_NET_ADMIN") in found
    assert ("AmbientCapabilities", "CAP_NET_ADMIN") in found
    assert ("ReadWritePaths", "/run/lightship/cut") in found
    assert ("ProtectSystem", "strict") in found
    assert ("StartLimitIntervalSec", "0") in found
    assert "cut --folder /run/lightship/cut --routes /run/lightship/routes\n" in text
    path = render("link_registry", "lightship-cut.path.j2", **SITE)
    assert "DirectoryNotEmpty=/run/lightship/cut\n" in path
    assert "StartLimitIntervalSec=0\n" in path


def test_the_folder_of_orders_is_the_services_alone(render: Render) -> None:
    assert "d /run/lightship/cut 0700 lightship lightship\n" in render("link_registry", "tmpfiles.conf.j2", **SITE)


def test_the_administrators_command_takes_nothing_from_its_callers_environment(render: Render) -> None:
    text = render("link_registry", "lightship.sh.j2", **SITE)
    assert text.startswith("#!/bin/sh\n")
    assert text.endswith('exec /opt/lightship/registry/venv/bin/python -I /opt/lightship/registry/lightship.pyz "$@"\n')


def test_the_checks_run_while_the_registry_does_and_stop_with_it(render: Render) -> None:
    text = render("link_registry", "lightship-doctor.service.j2", **SITE)
    found = re.findall(r"^(\w+)=(.*)$", text, re.M)
    for relation in ("Requisite", "After", "PartOf"):
        assert (relation, "lightship-registry.service") in found
    assert ("ExecStart", "/usr/local/sbin/lightship doctor --report") in found
    # What is wrong must not make the unit fail, as the command does.
    assert ("SuccessExitStatus", str(int(ExitStatus.FAILED))) in found
    timer = render("link_registry", "lightship-doctor.timer.j2", **SITE)
    assert "OnUnitInactiveSec=10min\n" in timer


NAMES = ("message", "name", "mail", "web")
PATTERNS = {
    "message": "{message}",
    "centre_name": "{name}",
    "contact": r"({mail}|{web}|)\Z",
    "guide_url": r"({web}|)\Z",
}


@pytest.mark.parametrize(
    ("key", "value"),
    [
        *(("message", text) for text in ("", "Maintenance on Friday:\nsave your work", "x" * 501, "a\tb")),
        *(("centre_name", text) for text in ("", "Zentrum für Rechnen", "x" * 101, "two\nlines")),
        *(("centre_name", f"Example{space}Centre") for space in ("\u00a0", "\u00ad", "\u200b", "\u2028", "\u3000")),
        *(
            ("contact", text)
            for text in ("", "help@example.org", "https://example.org/help?a=b", "helpdesk", "Help <a@b.c>")
        ),
        *(
            ("contact", text)
            for text in ("help@example.org\n", "help@example.org or https://example.org", "ftp://example.org")
        ),
        *(
            ("guide_url", text)
            for text in ("", "https://example.org/a/b.html#top", "help@example.org", "example.org/guide")
        ),
    ],
)
def test_the_preflight_refuses_what_the_service_would_refuse_after_other_roles_have_changed_the_host(
    key: str, value: str
) -> None:
    named = yaml.safe_load(VARIABLES.read_text())
    pattern = PATTERNS[key].format(**{name: named[f"__link_registry_{name}_pattern"] for name in NAMES})
    try:
        settings.parse({"domain": "example.org", "clusters": {"demo": {"networks": ["10.1.0.0/16"]}}, key: value})
        accepted = True
    except RegistryError:
        accepted = False
    assert bool(re.match(pattern, value)) == accepted
