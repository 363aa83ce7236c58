"""The zone as resolvers meet it."""

from __future__ import annotations

from pathlib import Path

import dns.flags
import dns.message
import dns.query
import dns.rcode
import pytest
from testinfra.host import Host

from support.deploy import deploy
from support.zone_host import ADDRESS, CHALLENGE, DOMAIN, KEY, VARIABLES, ask, refused_transfer, serial, values

testinfra_hosts = ["ssh://proxy13"]


@pytest.mark.parametrize(
    "name", [DOMAIN, f"aversion-runaround-spearman.{DOMAIN}", f"registry.{DOMAIN}", f"ns.{DOMAIN}"]
)
def test_every_name_leads_to_the_proxy(name: str) -> None:
    answer = ask(name, "A")
    assert answer.flags & dns.flags.AA
    assert values(name, "A") == {ADDRESS}


def test_the_zone_names_its_server_and_its_authority() -> None:
    assert values(DOMAIN, "NS") == {f"ns.{DOMAIN}."}
    assert values(DOMAIN, "CAA") == {'0 issue "letsencrypt.org'}
    assert ask(CHALLENGE, "SOA").flags & dns.flags.AA


def test_it_answers_over_tcp_as_well() -> None:
    assert dns.query.tcp(dns.message.make_query(DOMAIN, "A"), ADDRESS, timeout=5).answer


def test_it_answers_over_ipv6_as_well(host: Host) -> None:
    query = dns.message.make_query(DOMAIN, "A")
    program = (
        "import socket; asking = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM); asking.settimeout(10);"
        f"asking.connect(('::1', 53)); asking.send(bytes.fromhex('{query.to_wire().hex()}'));"
        "print(asking.recv(4096).hex())"
    )
    answer = dns.message.from_wire(bytes.fromhex(host.check_output(f'python3 -c "{program}"')))
    assert answer.answer
    assert answer.flags & dns.flags.AA


@pytest.mark.parametrize("name", ["example.org", "login", "localhost"])
def test_it_resolves_for_nobody(name: str) -> None:
    answer = ask(name, "A")
    assert dns.rcode.to_text(answer.rcode()) == "REFUSED"
    assert not answer.flags & dns.flags.RA
    assert not answer.answer


@pytest.mark.parametrize("zone", [DOMAIN, CHALLENGE])
@pytest.mark.parametrize("kind", ["AXFR", "IXFR"])
def test_it_gives_the_zone_to_nobody(zone: str, kind: str) -> None:
    assert refused_transfer(zone, kind, None) == "REFUSED"


@pytest.mark.parametrize("name", ["version.bind", "hostname.bind", "id.server"])
def test_it_does_not_say_what_it_is(name: str) -> None:
    assert not ask(name, "TXT", "CH").answer


def test_a_flood_of_like_questions_is_sent_to_tcp() -> None:
    answers = [ask(f"flood.{DOMAIN}", "A") for _ in range(300)]
    assert any(answer.flags & dns.flags.TC for answer in answers)
    assert all(answer.answer or answer.flags & dns.flags.TC for answer in answers)


def test_the_key_changes_the_challenge(challenge: str) -> None:
    assert values(CHALLENGE, "TXT") == {challenge}


def test_a_change_of_the_zone_leaves_the_challenge_alone(
    challenge: str, secret: str, host: Host, tmp_path: Path
) -> None:
    before = serial(DOMAIN)
    more = [{"name": "@", "type": "TXT", "value": '"v=spf1 -all"'}]
    try:
        assert deploy("dns_zone", "proxy13", tmp_path, **VARIABLES, dns_zone_records=more) > 0
        assert values(DOMAIN, "TXT") == {"v=spf1 -all"}
        assert serial(DOMAIN) > before
        assert values(CHALLENGE, "TXT") == {challenge}
        assert secret in host.file(KEY).content_string
    finally:
        deploy("dns_zone", "proxy13", tmp_path, **VARIABLES)
    assert values(DOMAIN, "TXT") == set()


def test_a_second_run_changes_nothing_while_a_challenge_stands(challenge: str, host: Host, tmp_path: Path) -> None:
    # BIND writes the challenge's zone file anew, under a name and a mode of its own.
    host.check_output(f"rndc sync -clean {CHALLENGE}")
    assert deploy("dns_zone", "proxy13", tmp_path, **VARIABLES) == 0
    assert values(CHALLENGE, "TXT") == {challenge}


def test_everything_stands_after_a_restart(challenge: str, host: Host) -> None:
    host.check_output("systemctl restart named")
    assert values(CHALLENGE, "TXT") == {challenge}
    assert values(f"any-other-name.{DOMAIN}", "A") == {ADDRESS}


def test_an_outside_provider_is_told_what_to_create(host: Host, tmp_path: Path) -> None:
    before = values(DOMAIN, "SOA")
    elsewhere = {**VARIABLES, "dns_zone_provider": "none", "dns_zone_dnssec": False}
    assert deploy("dns_zone", "proxy13", tmp_path, **elsewhere) == 0
    assert values(DOMAIN, "SOA") == before
    assert host.service("named").is_running
