"""What the doctor says of the name server and of the Public Suffix List."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import dns.flags
import dns.message
import dns.rcode
import dns.rrset
import pytest

from lightship_registry.admin import name_checks
from lightship_registry.admin.checks import NOTE, OK, WRONG, Finding
from support.name_server import Answering
from support.name_server import name_server as name_server_of
from unit.lightship_registry.testbed import DOMAIN, make_settings


@pytest.fixture
def name_server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[Answering], None]]:
    """A name server whose answers the test makes."""
    monkeypatch.setattr(name_checks, "unit", lambda *_: {"LoadState": "loaded", "ActiveState": "active"})
    monkeypatch.setattr(name_checks, "SECONDS", 0.3)
    with ExitStack() as servers:
        yield lambda answering: monkeypatch.setattr(
            name_checks, "ADDRESS", servers.enter_context(name_server_of(answering))
        )


def records(kind: str, value: str, *, authority: bool = True) -> Answering:
    def answering(question: dns.message.Message) -> dns.message.Message:
        reply = dns.message.make_response(question)
        asked = question.question[0]
        assert asked.name.to_text() == f"registry.{DOMAIN}."
        if authority:
            reply.flags |= dns.flags.AA
        if dns.rdatatype.to_text(asked.rdtype) == kind:
            reply.answer.append(dns.rrset.from_text(asked.name, 60, "IN", kind, value))
        return reply

    return answering


def failing(question: dns.message.Message) -> dns.message.Message:
    reply = dns.message.make_response(question)
    reply.set_rcode(dns.rcode.SERVFAIL)
    return reply


@pytest.mark.parametrize(
    ("answering", "level", "said"),
    [
        (records("A", "192.0.2.1"), OK, "answers for registry."),
        (records("AAAA", "2001:db8::1"), OK, "answers for registry."),
        (records("A", "192.0.2.1", authority=False), WRONG, "has no address of"),
        (records("TXT", "x"), WRONG, "has no address of"),
        (failing, WRONG, "has no address of"),
        (lambda _question: None, WRONG, "does not answer: timed out"),
    ],
)
def test_the_name_server_is_asked_for_a_name_of_the_domain(
    name_server: Callable[[Answering], None], tmp_path: Path, answering: Answering, level: str, said: str
) -> None:
    name_server(answering)
    (finding,) = name_checks.name_server(make_settings(tmp_path))
    assert (finding.level, said in finding.what) == (level, True), finding


@pytest.mark.parametrize(
    ("state", "level", "said"),
    [
        ({"LoadState": "not-found", "ActiveState": "inactive"}, NOTE, "others answer for the domain"),
        ({"LoadState": "loaded", "ActiveState": "failed"}, WRONG, "named.service is failed"),
        ({}, WRONG, "named.service is unknown"),
    ],
)
def test_a_name_server_that_does_not_run(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, state: dict[str, str], level: str, said: str
) -> None:
    monkeypatch.setattr(name_checks, "unit", lambda *_: state)
    (finding,) = name_checks.name_server(make_settings(tmp_path))
    assert (finding.level, said in finding.what) == (level, True), finding


RULES = """\
// VERSION: 2026-01-01_00-00-00_UTC
// ===BEGIN ICANN DOMAINS===
org
jp
*.kawasaki.jp
!city.kawasaki.jp
公司.cn
// ===BEGIN PRIVATE DOMAINS===
notebooks.test
*.Compute.example.net  trailing words
!www.ck.test
""".splitlines()


@pytest.mark.parametrize(
    ("domain", "listed"),
    [
        ("notebooks.test", True),
        ("other.test", False),
        ("a.notebooks.test", False),
        ("org", True),
        ("example.org", False),
        ("any.kawasaki.jp", True),
        ("city.kawasaki.jp", False),
        ("kawasaki.jp", False),
        ("eu.compute.example.net", True),
        ("xn--55qx5d.cn", True),
        ("version", False),
    ],
)
def test_a_domain_is_listed_by_name_or_by_its_parents_star(domain: str, listed: bool) -> None:
    assert name_checks.is_public_suffix(domain, RULES) is listed


def test_the_list_is_the_hosts_own(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(name_checks, "LIST", tmp_path / "list")
    settings = make_settings(tmp_path)
    (unknown,) = name_checks.public_suffix(settings)
    assert (unknown.level, "is unknown" in unknown.what) == (NOTE, True)
    (tmp_path / "list").write_text("org\n")
    (absent,) = name_checks.public_suffix(settings)
    assert (absent.level, "is not on this host's Public Suffix List" in absent.what) == (NOTE, True)
    (tmp_path / "list").write_text("\n".join(RULES))
    (listed,) = name_checks.public_suffix(settings)
    assert listed.level == OK


def told(monkeypatch: pytest.MonkeyPatch, path: Path, said: str) -> list[Finding]:
    """What the doctor says where the program of role dns_zone says this."""
    path.touch()
    monkeypatch.setattr(name_checks, "DELEGATION", path)
    monkeypatch.setattr(name_checks, "run", lambda command: (1, said) if command == [str(path), "--json"] else None)
    return list(name_checks.delegation())


def test_what_the_parent_domain_lacks_is_told_as_the_program_says_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lack = {"level": "wrong", "sentence": "It has another DS record.", "remedy": "Have it replaced."}
    (finding,) = told(monkeypatch, tmp_path / "program", json.dumps({"lacks": [lack]}))
    assert (finding.level, finding.what, finding.remedy) == (WRONG, lack["sentence"], lack["remedy"])
    (finding,) = told(monkeypatch, tmp_path / "program", json.dumps({"lacks": []}))
    assert finding.level == OK


@pytest.mark.parametrize(
    ("said", "why"), [("", "no answer within"), ("Traceback\nNo module named 'dns'", "unknown: No module named 'dns'")]
)
def test_a_program_that_says_nothing_is_a_note(
    said: str, why: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (finding,) = told(monkeypatch, tmp_path / "program", said)
    assert finding.level == NOTE
    assert why in finding.what


def test_a_host_without_the_name_server_is_asked_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(name_checks, "DELEGATION", tmp_path / "none")
    assert list(name_checks.delegation()) == []
