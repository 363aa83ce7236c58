"""What is wrong with a site as a whole: the filters of validate.yml, and the look at the proxy that they judge."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import dns.message
import dns.rcode
import dns.rrset
import pytest
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar

from unit.ansible.plugins import REPOSITORY, load

checks = load("ansible/filter_plugins/site_checks.py")
look = load("ansible/files/look_at_proxy.py")
networks = load("roles/link_registry/filter_plugins/network_faults.py")

ANY = "0.0.0.0"  # noqa: S104 - nothing is bound
HTTPS = {
    "name": "lightship_https_port",
    "port": "443",
    "kind": "tcp",
    "address": ANY,
    "units": ["nginx.service"],
    "instead": "Set it to a free port",
}
NOBODY: dict[str, Any] = {"listeners": [], "active": []}
HTTP = {**HTTPS, "name": "web_proxy_http_port", "port": 80}
METRICS = {
    **HTTPS,
    "name": "link_registry_metrics_port",
    "port": 9464,
    "address": "127.0.0.1",
    "units": ["lightship-registry.service"],
}
NAMES = {**HTTPS, "name": "The port of the name server", "port": 53, "kind": "udp", "units": ["named.service"]}


def listener(port: int, process: str, unit: str, address: str = ANY, kind: str = "tcp") -> dict[str, Any]:
    return {"kind": kind, "address": address, "port": port, "process": process, "unit": unit}


@pytest.mark.parametrize(
    ("wanted", "held", "said"),
    [
        (
            {**HTTPS, "port": 22},
            listener(22, "sshd", "ssh.service"),
            "is 22, where sshd (ssh.service) of this host",
        ),
        # A user's program without a name is still no service of ours.
        (HTTPS, listener(443, "", "session-3.scope"), "where another program (session-3.scope) of this host"),
        (HTTPS, listener(443, "nginx", "session-3.scope"), "where nginx (session-3.scope) of this host"),
        (HTTP, listener(80, "apache2", "apache2.service", "::"), "web_proxy_http_port is 80, where apache2"),
        (
            HTTPS,
            listener(443, "node", "", "127.0.0.1"),
            "where node of this host listens already. Set it to a free port",
        ),
        (NAMES, listener(53, "", "", kind="udp"), "where another program of this host"),
        (METRICS, listener(9464, "python3", "other.service", "127.0.0.1"), "link_registry_metrics_port is 9464"),
        (NAMES, listener(53, "dnsmasq", "dnsmasq.service", kind="udp"), "where dnsmasq (dnsmasq.service)"),
    ],
)
def test_a_port_that_another_service_holds_is_refused(wanted: Any, held: dict[str, Any], said: str) -> None:
    (sentence,) = checks.port_faults({"listeners": [held], "active": ["nginx.service"]}, [wanted])
    assert said in sentence
    assert wanted["name"] in sentence


@pytest.mark.parametrize(
    ("wanted", "held"),
    [
        (HTTPS, listener(443, "nginx", "nginx.service")),
        (HTTPS, listener(443, "nginx", "")),
        # Whose it is cannot be seen, and nginx runs.
        (HTTPS, listener(443, "", "")),
        (HTTPS, listener(443, "quic", "x.service", kind="udp")),
        (HTTPS, listener(8443, "other", "x.service")),
        ({**HTTPS, "port": 0}, listener(0, "x", "x.service")),
        (METRICS, listener(9464, "python", "lightship-registry.service", "127.0.0.1")),
        (METRICS, listener(9464, "other", "x.service", "10.0.0.1")),
        (NAMES, listener(53, "systemd-resolve", "systemd-resolved.service", "127.0.0.53", "udp")),
    ],
)
def test_a_port_that_is_free_or_ours_is_taken(wanted: Any, held: dict[str, Any]) -> None:
    assert checks.port_faults({"listeners": [held], "active": ["nginx.service"]}, [wanted]) == []


@pytest.mark.parametrize(("one", "other"), [(HTTPS, HTTP), (HTTP, METRICS), ({**NAMES, "kind": "tcp"}, HTTPS)])
def test_two_of_ours_need_two_ports(one: dict[str, Any], other: dict[str, Any]) -> None:
    (sentence,) = checks.port_faults(NOBODY, [{**one, "port": 4711}, {**other, "port": "4711"}])
    assert sentence == f"{one['name']} and {other['name']} are both 4711. Set them to different ports."
    assert checks.port_faults(NOBODY, [{**one, "port": 0}, {**other, "port": 0}]) == []


@pytest.mark.parametrize(
    ("wanted", "missing"),
    [
        ("10.0.0.5", []),
        ("203.0.113.10", ["203.0.113.10"]),
        (["10.0.0.5", "2001:DB8::5"], []),
        (["10.0.0.5", "2001:db8::6"], ["2001:db8::6"]),
        ("proxy.example.org", []),
    ],
)
def test_an_address_must_be_one_of_the_hosts(wanted: str | list[str], missing: list[str]) -> None:
    assert checks.not_of_this_host(wanted, ["10.0.0.5", "127.0.0.1", "2001:db8:0::5"]) == missing


def test_a_network_that_holds_one_of_our_hosts_is_told() -> None:
    clusters = {"demo": {"networks": ["10.1.0.0/16", "2001:db8:1::/48"]}, "other": {"networks": ["10.2.0.0/16"]}}
    hosts = {"proxy": ["10.1.0.1", "192.0.2.1"], "login1": ["10.3.0.1", "2001:db8:1::1"], "login2": ["10.9.0.1"]}
    first, second = checks.network_warnings(clusters, hosts)
    assert "10.1.0.0/16 of cluster demo holds proxy (10.1.0.1)" in first
    assert "2001:db8:1::/48 of cluster demo holds login1 (2001:db8:1::1)" in second


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("::ffff:10.1.0.0/112", "Write 10.1.0.0/16."),
        ("::ffff:a01:0/112", "Write 10.1.0.0/16."),
        ("::ffff:10.1.2.3/128", "Write 10.1.2.3/32."),
        ("::ffff:0:0/96", "Write 0.0.0.0/0."),
        ("::/8", "such as 10.1.0.0/16"),
    ],
)
def test_a_network_of_ipv4_in_the_form_of_ipv6_is_refused(text: str, plain: str) -> None:
    for key in ("networks", "satellite_networks"):
        cluster = {"networks": ["10.7.0.0/16"], key: [text]}
        (sentence,) = networks.network_faults({"demo": cluster})
        assert "IPv4 in the form of IPv6" in sentence
        assert plain in sentence


@pytest.mark.parametrize("key", ["networks", "satellite_networks"])
@pytest.mark.parametrize(
    ("one", "other", "fault"),
    [
        (["10.1.0.0/16"], ["10.2.0.0/16"], ""),
        (["10.1.0.0/16"], ["2001:db8::/32"], ""),
        (["10.1.0.0/16", "10.1.2.0/24"], ["10.3.0.0/16"], ""),
        (["10.1.0.0/16"], ["10.1.0.0/16"], "demo and other overlap: 10.1.0.0/16. "),
        (["10.0.0.0/8"], ["10.2.0.0/16"], "demo and other overlap: 10.0.0.0/8 and 10.2.0.0/16. "),
        (["2001:db8::/32"], ["2001:db8:7::/48"], "overlap: 2001:db8::/32 and 2001:db8:7::/48. "),
    ],
)
def test_networks_of_two_clusters_are_apart(key: str, one: list[str], other: list[str], fault: str) -> None:
    base = {"demo": {"networks": ["10.88.0.0/16"]}, "other": {"networks": ["10.89.0.0/16"]}}
    clusters = {"demo": {**base["demo"], key: one}, "other": {**base["other"], key: other}}
    found = networks.network_faults(clusters)
    assert len(found) == bool(fault)
    assert fault in "".join(found)
    assert not found or networks.VARIABLES[key] in found[0]


def test_the_records_of_a_delegation_are_the_parents() -> None:
    domain = "notebooks.example.org"
    assert checks.delegation(domain, [f"ns.{domain}"], ["192.0.2.1", "2001:db8::1"]) == (
        '"notebooks.example.org. NS ns.notebooks.example.org.", "ns.notebooks.example.org. A 192.0.2.1", '
        '"ns.notebooks.example.org. AAAA 2001:db8::1"'
    )
    assert checks.delegation(domain, ["ns1.example.net"], "192.0.2.1") == '"notebooks.example.org. NS ns1.example.net."'


def test_the_look_finds_who_listens_and_changes_nothing() -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as tcp,
        socket.create_server(("::1", 0), family=socket.AF_INET6) as tcp6,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp,
    ):
        udp.bind(("127.0.0.2", 0))
        done = subprocess.run(
            [sys.executable, "-I", REPOSITORY / "ansible/files/look_at_proxy.py", "nginx.service"],
            capture_output=True,
            text=True,
            timeout=30,
            check=True,
        )
        answer = json.loads(done.stdout)
        found = {(one["kind"], one["address"], one["port"]): one["process"] for one in answer["listeners"]}
        own = Path("/proc/self/comm").read_text().strip()
        for kind, opened in (("tcp", tcp), ("tcp", tcp6), ("udp", udp)):
            assert found[(kind, *opened.getsockname()[:2])] == own
    assert answer["delegated"] is None


@pytest.mark.parametrize(
    ("path", "unit"),
    [
        ("0::/system.slice/nginx.service\n", "nginx.service"),
        ("12:pids:/system.slice/ssh.service\n1:name=systemd:/system.slice/ssh.service\n", "ssh.service"),
        ("0::/system.slice/docker-abc.scope/x\n", "docker-abc.scope"),
        ("0::/\n", ""),
    ],
)
def test_the_unit_of_a_process_is_read_as_the_kernel_writes_it(path: str, unit: str) -> None:
    found = look.UNIT.search(path)
    assert (found.group(1) if found else "") == unit


@pytest.fixture
def resolver(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A resolver that answers once, with the given code and records."""
    threads = []
    server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    server.bind(("127.0.0.1", 0))
    (tmp_path / "resolv.conf").write_text("# ours\nsearch x\nnameserver 127.0.0.1\n")
    monkeypatch.setattr(look, "RESOLVERS", tmp_path / "resolv.conf")
    monkeypatch.setattr(look, "PORT", server.getsockname()[1])
    monkeypatch.setattr(look, "SECONDS", 0.3)

    def start(code: str, *records: str) -> None:
        def answer() -> None:
            data, peer = server.recvfrom(4096)
            reply = dns.message.make_response(dns.message.from_wire(data))
            reply.set_rcode(dns.rcode.from_text(code))
            name = reply.question[0].name
            reply.answer += [dns.rrset.from_text(name, 60, "IN", "NS", record) for record in records]
            server.sendto(reply.to_wire(), peer)

        threads.append(threading.Thread(target=answer))
        threads[0].start()

    yield start
    for thread in threads:
        thread.join()
    server.close()


@pytest.mark.parametrize(
    ("code", "records", "delegated"),
    [
        ("NOERROR", ["ns.example.org."], True),
        ("NOERROR", [], False),
        ("NXDOMAIN", [], False),
        # The parent names servers, and they do not answer yet: the first deployment is to come.
        ("SERVFAIL", [], None),
        ("REFUSED", [], None),
    ],
)
def test_a_domain_is_delegated_where_the_resolver_knows_its_servers(
    resolver: Any, code: str, records: list[str], delegated: bool | None
) -> None:
    resolver(code, *records)
    assert look.delegated("notebooks.example.org") is delegated


@pytest.mark.usefixtures("resolver")
def test_a_resolver_that_is_silent_or_missing_says_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    assert look.delegated("notebooks.example.org") is None
    monkeypatch.setattr(look, "RESOLVERS", Path(os.devnull))
    assert look.delegated("notebooks.example.org") is None


def test_a_programs_name_cannot_speak_to_the_terminal_nor_stop_the_look() -> None:
    named = (
        "import ctypes, sys, socket; s = socket.create_server(('127.0.0.1', 0)); print(s.getsockname()[1], flush=True);"
    )
    named += "ctypes.CDLL(None).prctl(15, b'a\\x1b[2J\\xff{{x}}', 0, 0, 0); print(flush=True); sys.stdin.read()"
    with subprocess.Popen(
        [sys.executable, "-c", named], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout
        port = int(process.stdout.readline())
        process.stdout.readline()
        (found,) = [one["process"] for one in look.listeners() if one["port"] == port]
        process.communicate()
    assert found == "a??2J???x??"


@pytest.mark.parametrize(
    ("proxy", "clusters", "named"),
    [
        ({"certificates_ca": "staging"}, {"demo": None}, "demo"),
        ({}, {"demo": "", "tscc": "/ca.pem", "comet": None}, "comet, demo"),
        ({"certificates_ca": "staging"}, {"demo": "/ca.pem"}, ""),
        ({"certificates_ca": "production"}, {"demo": None}, ""),
        ({"certificates_ca": "https://acme:14000/dir"}, {"demo": None}, ""),
        ({"web_proxy_certificate": "/etc/ssl/own.pem"}, {"demo": None}, ""),
    ],
)
def test_clusters_that_would_refuse_the_staging_authoritys_certificate_are_warned_of(
    proxy: dict[str, str], clusters: dict[str, str | None], named: str
) -> None:
    plays = DataLoader().load_from_file(str(REPOSITORY / "ansible" / "validate.yml"), trusted_as_template=True)
    (task,) = [task for play in plays for task in play["tasks"] if "warn" in task]
    hosts: dict[str, dict[str, str]] = {}
    for cluster, authority in clusters.items():
        # Two login nodes each.
        for host in (f"{cluster}-1", f"{cluster}-2"):
            hosts[host] = {"cluster_tools_cluster": cluster}
            if authority is not None:
                hosts[host]["cluster_tools_registry_ca"] = authority
    known = {"groups": {"clusters": sorted(hosts)}, "hostvars": hosts, **task["vars"], **proxy}
    sentences = Templar(DataLoader(), variables=known).template(task["vars"]["untrusted"])
    assert len(sentences) == bool(named)
    assert f"is empty for {named}: start-jupyter will refuse" in "".join(sentences) or not named
