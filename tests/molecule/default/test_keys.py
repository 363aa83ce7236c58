"""A cluster's key is changed while people work: nobody notices, and a key that was stolen is worth nothing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from support import bed
from support.deploy import playbook, rotate

KEY_ON_LOGIN, KEY_ON_PROXY = "/etc/lightship/cluster.key", "/etc/lightship/clusters/demo.key"


def create_and_cancel() -> None:
    """Make a link through the agent and take it back."""
    made = bed.agent("bob", op="create", seconds=600)
    assert made["ok"], made
    assert bed.agent("bob", op="cancel", name=made["name"], reason="test")["ok"]


def sums() -> tuple[str, str]:
    """Return the SHA-256 of the key on the proxy and on the login node."""
    first, second = (
        bed.run(host, f"sha256sum {path}").stdout.split()[0]
        for host, path in (("proxy", KEY_ON_PROXY), ("login", KEY_ON_LOGIN))
    )
    return first, second


@pytest.fixture
def alice_works() -> Iterator[None]:
    """A notebook runs through all of it, and is there at the end."""
    working = bed.start("alice")
    yield
    assert bed.status_of(working.name) == httpx.codes.OK
    assert bed.record(working.name)["state"] == "ready"
    bed.stop(working)


@pytest.mark.usefixtures("alice_works")
def test_a_rotation_is_noticed_by_nobody() -> None:
    stolen = bed.run("login", f"cat {KEY_ON_LOGIN}").stdout
    bed.run("proxy", "lightship keys rotate demo")
    assert len(set(sums())) == 2
    create_and_cancel()  # with the old key
    # A login node may have only the old one: the playbook takes it from nobody.
    with pytest.raises(AssertionError, match="lightship keys finish demo"):
        rotate("cluster-keys")
    create_and_cancel()
    bed.run("proxy", "lightship keys finish demo")
    assert not bed.agent("bob", op="create", seconds=600)["ok"]
    assert "The old key of cluster demo counts no more." in rotate("cluster-keys")
    assert len(set(sums())) == 1
    assert bed.run("proxy", "ls /etc/lightship/clusters").stdout.split() == ["demo.key"]
    create_and_cancel()  # with the new one
    assert stolen not in bed.run("login", f"cat {KEY_ON_LOGIN}").stdout
    # What was stolen counts no more from the moment that the administrator says so.
    bed.run("proxy", "lightship keys rotate demo --overlap 0")
    refused = bed.agent("bob", op="create", seconds=600)
    assert not refused["ok"]
    assert "key or this host's clock may be wrong" in refused["error"]
    playbook(Path("clusters.yml"))
    create_and_cancel()
