"""Both private authorities are replaced while notebooks run, whose certificates and trust are the old ones."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager

import pytest

from support import bed
from support.at_work import at_work, opened
from support.deploy import rotate

# At most 256 connections to a link at a time.
USERS, SOCKETS = ("alice", "alice", "bob", "bob", "carol"), 1000
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
def started(*users: str) -> Iterator[tuple[bed.Notebook, ...]]:
    """A notebook for each of the names, all started at once."""
    with ThreadPoolExecutor(len(users)) as pool:
        notebooks = tuple(pool.map(lambda user: bed.start(user, "-p debug -t 20"), users))
    try:
        yield notebooks
    finally:
        for notebook in notebooks:
            bed.stop(notebook)


def renewed() -> str:
    """Get a new key and certificate for browsers, and return the serial number that they are shown."""
    bed.run("proxy", "lightship certificates renew --yes")
    return bed.presented()


def test_everything_is_replaced_while_notebooks_run() -> None:
    before, first = sums(), bed.presented()
    with ExitStack() as running:
        with started(*USERS) as old, at_work(*old, sockets=SOCKETS):
            rotate("client")
            shown = [renewed() for _ in range(3)]
            assert len({first, *shown}) == 4
            assert "Then:" in rotate("links")
            assert "Then:" in rotate("proxy")
            # One from after both: it has a certificate of the new authority, and trusts the proxy's old and new one.
            (new,) = running.enter_context(started("bob"))
            assert bed.answers(new)
            for what in ("links", "proxy"):
                status, said = finish(what)
                assert status == 1
                assert f"{len(USERS)} notebooks need the old authority" in said
            assert len(findings()) == 2
        # As many WebSockets again.
        others = running.enter_context(started(*USERS[1:]))
        with at_work(new, *others, sockets=SOCKETS):
            assert "is trusted no more" in rotate("links", "lightship_finish=true")
            assert finish("proxy")[0] == 0
            with started("carol") as (newest,):
                assert bed.answers(newest)
        # What an update of the distribution does cuts them all, and nobody has to wait for an answer afterwards.
        with opened((new,), 1) as (connection,):
            bed.run("proxy", "systemctl restart nginx")
            assert bed.is_cut(connection, 5)
            assert all(bed.answers(each) for each in (new, *others))
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
