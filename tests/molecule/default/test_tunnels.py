"""A user's own machine opens a tunnel with a key that she gave herself: from the command to sshd."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import pytest

from support import bed

PLACE, OTHER = "localhost:18888", "localhost:18889"
SERVED = "from my own machine"
SSH = (
    "ssh -i ~/tunnel -o IdentitiesOnly=yes -o BatchMode=yes -o ExitOnForwardFailure=yes -o ConnectTimeout=5"
    # The bed's domain is this machine itself for every resolver; its host key is of no concern here.
    " -o HostName=proxy -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null"
)
TUNNEL = f"{SSH} -N -R {{}}:localhost:8888 lightship-tunnel@{bed.DOMAIN}"
FETCH = 'import urllib.request as r; print(r.urlopen("http://localhost:18888/", timeout=5).read().decode().strip())'
SERVER = "timeout 60 python3 -m http.server --bind 127.0.0.1 --directory page 8888"
LISTENERS = "ss -Hltn sport = :18888"


@pytest.fixture(scope="module")
def fingerprint() -> Iterator[str]:
    """Yield the name of a key of alice's that she gave to the registry, and take it back."""
    for user in ("alice", "bob"):
        bed.run("login", "rm -f tunnel tunnel.pub && ssh-keygen -q -t ed25519 -N '' -f tunnel", user=user)
    given = bed.run("login", "start-jupyter keys --add tunnel.pub", user="alice").stdout
    name = bed.run("login", "ssh-keygen -l -f tunnel.pub | cut -d ' ' -f 2", user="alice").stdout.strip()
    assert f"Added {name}" in given
    assert f"ssh -N -R {PLACE}:localhost:" in given
    assert f" lightship-tunnel@{bed.DOMAIN}\n" in given
    yield name
    bed.run("proxy", "lightship ssh-keys --user alice --remove --yes; lightship ssh-keys --user bob --remove --yes")
    bed.run("login", "rm -f tunnel tunnel.pub", user="alice")
    bed.run("login", "rm -f tunnel tunnel.pub", user="bob")


def refused(user: str, command: str) -> str:
    """Return what ssh says of an attempt that must fail at once."""
    done = bed.run("login", f"timeout 10 {command}", user=user, check=False)
    assert done.returncode not in (0, 124), "it was let in"
    return done.stderr


def test_her_place_leads_to_her_machine(fingerprint: str) -> None:
    bed.run("login", f"mkdir -p page && echo {SERVED!r} >page/index.html", user="alice")
    both = f"{SERVER} & timeout 60 {TUNNEL.format(PLACE)} & wait"
    start = f"({both}) >/dev/null 2>&1 &"
    session = bed.run("login", f"setsid bash -c 'echo $$; {start}'", user="alice").stdout.strip()
    listens = partial(bed.run, "proxy", LISTENERS)
    try:
        bed.eventually(lambda: bool(listens().stdout), "the tunnel does not open", seconds=15)
        assert bed.python("proxy", FETCH) == SERVED
        assert {line.split()[3] for line in listens().stdout.splitlines()} <= {"127.0.0.1:18888", "[::1]:18888"}
    finally:
        bed.run("login", f"pkill -s {session}; rm -r page", user="alice", check=False)
    bed.eventually(lambda: not listens().stdout, "the tunnel does not close", seconds=15)
    assert fingerprint in bed.run("proxy", "lightship ssh-keys").stdout


@pytest.mark.usefixtures("fingerprint")
def test_it_opens_nothing_but_her_place() -> None:
    assert "remote port forwarding failed" in refused("alice", TUNNEL.format(OTHER))
    assert "remote port forwarding failed" in refused("alice", TUNNEL.format("*:18888"))
    refused("alice", f"{SSH} lightship-tunnel@{bed.DOMAIN} id")
    refused("alice", f"{SSH} -W localhost:22 lightship-tunnel@{bed.DOMAIN}")


@pytest.mark.usefixtures("fingerprint")
def test_another_users_key_opens_nothing() -> None:
    assert "Permission denied (publickey)" in refused("bob", TUNNEL.format(PLACE))
    told = bed.run("login", "start-jupyter keys --add tunnel.pub", user="bob").stdout
    assert "open no tunnel yet" in told
    assert "Permission denied (publickey)" in refused("bob", TUNNEL.format(PLACE))
    private = bed.run("login", "start-jupyter keys --add tunnel", user="bob", check=False)
    assert private.returncode != 0
    assert "tunnel.pub" in private.stderr


def test_a_key_that_she_took_back_opens_nothing(fingerprint: str) -> None:
    assert "Removed" in bed.run("login", f"start-jupyter keys --remove {fingerprint}", user="alice").stdout
    assert "Permission denied (publickey)" in refused("alice", TUNNEL.format(PLACE))
    told = bed.run("proxy", f"grep -c -F {fingerprint} /var/log/lightship/audit.jsonl").stdout.strip()
    assert int(told) >= 2
