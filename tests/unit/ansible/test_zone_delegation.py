"""What is said of the parent domain's part, by what its name servers have."""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path
from typing import Any

import pytest

from unit.ansible.plugins import REPOSITORY

sys.path.insert(0, str(REPOSITORY / "roles" / "dns_zone" / "files"))
queries: Any = importlib.import_module("delegation_queries")
program: Any = importlib.import_module("zone_delegation")

DOMAIN = "notebooks.example.org"
NS, OUTSIDE = f"ns.{DOMAIN}", "ns2.example.net"
DIGEST, OTHER = "ab" * 32, "cd" * 32
DS = f"12345 13 2 {DIGEST.upper()}"
TOLD = {
    "domain": DOMAIN,
    "servers": {NS: ["203.0.113.10", "2001:db8::10"], OUTSIDE: []},
    "signed": True,
    "ds": [DS],
    "parent_servers": [],
}


def held(by: str = "a.example.org", **other: Any) -> Any:
    """What a parent's server has, in order but for what is given."""
    right = {
        "servers": frozenset({NS, OUTSIDE}),
        "addresses": {NS: frozenset({"203.0.113.10", "2001:db8::10"})},
        "ds": frozenset({f"12345 13 2 {DIGEST}"}),
    }
    return queries.Held(by, **{**right, **other})


@pytest.fixture
def say(monkeypatch: pytest.MonkeyPatch) -> Any:
    """What is found where the parent's servers have this."""

    def found(*parents: Any, closed: tuple[tuple[str, str], ...] = (), **other: Any) -> dict[str, Any]:
        monkeypatch.setattr(queries, "parent_servers", lambda _: {"a.example.org": ["192.0.2.1"]})
        monkeypatch.setattr(queries, "held_by", lambda *_: list(parents))
        monkeypatch.setattr(queries, "addresses_of", lambda _: ["192.0.2.53"])
        monkeypatch.setattr(queries, "unreachable", lambda *_: list(closed))
        result: dict[str, Any] = program.examine(program.Zone(**{**TOLD, **other}))
        return result

    return found


def test_nothing_is_lacking(say: Any) -> None:
    assert say(held()) == {"answered": True, "ds": [f"12345 13 2 {DIGEST}"], "lacks": []}


@pytest.mark.parametrize(
    ("lacking", "level", "sentence", "remedy"),
    [
        (
            {"servers": frozenset(), "addresses": {}, "ds": frozenset()},
            "warning",
            f"The parent domain does not delegate {DOMAIN}: from outside nobody finds a link.",
            f"Have the parent domain add: {DOMAIN}. NS {NS}., {DOMAIN}. NS {OUTSIDE}., {NS}. A 203.0.113.10, "
            f"{NS}. AAAA 2001:db8::10.",
        ),
        ({"servers": frozenset({NS})}, "warning", f"The parent domain has no NS record with {OUTSIDE} for", "exactly"),
        (
            {"servers": frozenset({NS, OUTSIDE, "old.example.org"})},
            "warning",
            f"The parent domain delegates {DOMAIN} to old.example.org, which is no name server of this zone.",
            "exactly these",
        ),
        ({"addresses": {}}, "warning", f"The parent domain has no address of {NS}; 203.0.113.10 and 2001:db8::10", NS),
        (
            {"addresses": {NS: frozenset({"203.0.113.10"})}},
            "warning",
            f"The parent domain gives {NS} the address 203.0.113.10; 203.0.113.10 and 2001:db8::10 would be right.",
            f"{NS}. AAAA 2001:db8::10",
        ),
        ({"ds": frozenset()}, "warning", f"has no DS record of {DOMAIN}: nobody checks", f"{DOMAIN}. DS {DS}."),
        ({"ds": frozenset({f"12345 13 2 {OTHER}"})}, "wrong", "which fits no key of this host", f"{DOMAIN}. DS {DS}."),
        ({"ds": frozenset({f"1 13 4 {OTHER}"})}, "wrong", "which fits no key of this host", f"{DOMAIN}. DS {DS}."),
    ],
)
def test_what_is_lacking_is_one_sentence_with_what_to_do(
    say: Any, lacking: dict[str, Any], level: str, sentence: str, remedy: str
) -> None:
    (lack,) = say(held(**lacking))["lacks"]
    assert lack["level"] == level
    assert sentence in lack["sentence"]
    assert remedy in lack["remedy"]


@pytest.mark.parametrize("ds", [f"12345 13 4 {OTHER}", f"12345 13 2 {DIGEST.upper()}"])
def test_a_record_of_the_key_among_others_is_enough(say: Any, ds: str) -> None:
    assert say(held(ds=frozenset({ds, f"1 8 2 {OTHER}"})))["lacks"] == []


def test_a_ds_record_of_a_zone_without_signatures_is_wrong(say: Any) -> None:
    (lack,) = say(held(), signed=False, ds=[])["lacks"]
    assert lack["level"] == "wrong"
    assert "which is not signed" in lack["sentence"]
    assert say(held(ds=frozenset()), signed=False, ds=[])["lacks"] == []


def test_where_the_parents_servers_differ_those_that_lack_something_are_named(say: Any) -> None:
    (lack,) = say(held(), held("b.example.org", ds=frozenset()))["lacks"]
    assert lack["sentence"].startswith("The parent domain (at b.example.org) has no DS record")


def test_that_nobody_answers_is_said_and_is_no_lack_of_the_parents(say: Any) -> None:
    found = say()
    assert not found["answered"]
    assert [(lack["level"], lack["sentence"]) for lack in found["lacks"]] == [
        ("note", f"None of a.example.org answers about {DOMAIN}: what the parent domain has is unknown.")
    ]


def test_a_server_without_tcp_or_without_an_address_is_named(say: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    (lack,) = say(held(), closed=((NS, "203.0.113.10"),))["lacks"]
    assert f"The name server {NS} (203.0.113.10) does not answer for {DOMAIN} over TCP" in lack["sentence"]
    monkeypatch.setattr(queries, "addresses_of", lambda _: [])
    found = program.examine(program.Zone(**TOLD))["lacks"]
    assert f"The name server {OUTSIDE} has no address." in [lack["sentence"] for lack in found]


def test_the_program_prints_it_for_people_and_for_programs(
    say: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    say(held(ds=frozenset()))
    file = tmp_path / "delegation.json"
    file.write_text(json.dumps(TOLD))
    assert program.main(["--settings", str(file)]) == 1
    assert f"\n    Give it to the parent domain: {DOMAIN}. DS {DS}.\n" in capsys.readouterr().out
    assert program.main(["--settings", str(file), "--json", "--parent-server", "192.0.2.9"]) == 1
    assert json.loads(capsys.readouterr().out)["answered"]
    say(held())
    assert program.main(["--settings", str(file)]) == 0
    assert capsys.readouterr().out == f"The parent domain delegates {DOMAIN} as it should.\n"
    assert program.main(["--settings", str(tmp_path / "none")]) == 2
    assert "Run site.yml --tags dns_zone" in capsys.readouterr().err
