"""Both private authorities are replaced while notebooks run, whose certificates and trust are the old ones."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest

from support import bed
from support.at_work import at_work
from support.deploy import rotate

FOLDER = "/var/lib/lightship/authorities"


def finish(what: str) -> tuple[int, str]:
    """Try to finish a rollover on the proxy."""
    done = bed.run("proxy", f"lightship authorities finish {what}", check=False)
    return done.returncode, done.stdout + done.stderr


def findings() -> list[str]:
    """What the doctor says of the authorities, beyond that all is well."""
    told = json.loads(bed.run("proxy", "lightship doctor --json", check=False).stdout)
    return [each["what"] for each in told if each["check"] == "authorities" and each["level"] != "ok"]


def sums() -> set[str]:
    """The sums of the authorities' certificates and keys."""
    return set(bed.run("proxy", f"sha256sum {FOLDER}/links.??? {FOLDER}/proxy.??? | cut -c 1-64").stdout.split())


@contextmanager
def started(user: str) -> Iterator[bed.Notebook]:
    """A notebook."""
    notebook = bed.start(user, "-p debug -t 20")
    try:
        yield notebook
    finally:
        bed.stop(notebook)


def test_both_authorities_are_replaced_while_notebooks_run() -> None:
    before = sums()
    with ExitStack() as running:
        with started("alice") as old, at_work(old):
            rotate("client")
            assert "Then:" in rotate("links")
            assert "Then:" in rotate("proxy")
            # One from after both: it has a certificate of the new authority, and trusts the proxy's old and new one.
            new = running.enter_context(started("bob"))
            assert bed.answers(new)
            for what in ("links", "proxy"):
                status, said = finish(what)
                assert status == 1
                assert "1 notebook needs the old authority" in said
            assert len(findings()) == 2
        with at_work(new):
            assert "is trusted no more" in rotate("links", "lightship_finish=true")
            assert finish("proxy")[0] == 0
            with started("carol") as newest:
                assert bed.answers(newest)
        assert bed.answers(new)
    assert not before & sums()
    assert findings() == []
    names = {"links.crt", "links.key", "links-trusted.crt", "proxy.crt", "proxy.key"}
    assert set(bed.run("proxy", f"ls {FOLDER}").stdout.split()) == names


@pytest.mark.parametrize("command", ["rotate client", "rotate links"])
def test_a_web_server_that_refuses_its_configuration_keeps_everything_as_it_was(command: str) -> None:
    content = "cd /var/lib/lightship && sha256sum authorities/* web_proxy/*"
    before, fault = bed.run("proxy", content).stdout, "/etc/nginx/lightship.conf"
    bed.run("proxy", f"cp -a {fault} /run/kept.conf && echo 'no such directive;' >>{fault}")
    try:
        done = bed.run("proxy", f"lightship authorities {command}", check=False)
    finally:
        bed.run("proxy", f"cp -a /run/kept.conf {fault} && rm /run/kept.conf")
    assert done.returncode == 1
    assert "Everything is as it was before" in done.stderr
    assert bed.run("proxy", content).stdout == before
