"""Another Pebble beside the bed's own, which stays as it is: a restart would make it forget every account."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from testinfra.host import Host

from support import bed

PORT = 14001
DIRECTORY = f"https://acme:{PORT}/dir"
# The bed's own resolver. It hands questions on, and follows no record from one zone into another.
RESOLVER = "10.89.77.11:53"
MANAGEMENT_PORT = 15001
SETTINGS = {
    "listenAddress": f"0.0.0.0:{PORT}",
    "managementListenAddress": f"0.0.0.0:{MANAGEMENT_PORT}",
    "certificate": "/etc/pebble/cert.pem",
    "privateKey": "/etc/pebble/key.pem",
    "httpPort": 80,
    "tlsPort": 443,
}
UNIT = "another"


SUGGEST = f"""
import ssl, sys, urllib.request
context = ssl.create_default_context(cafile="/etc/pebble/ca.pem")
urllib.request.urlopen("https://acme:{MANAGEMENT_PORT}/set-renewal-info/", sys.argv[1].encode(), context=context)
"""


def suggest_renewal(certificate: str, start: datetime, end: datetime) -> None:
    """Have the authority suggest the time of a certificate's renewal (ARI, RFC 9773)."""
    window = {"start": start.isoformat(timespec="seconds"), "end": end.isoformat(timespec="seconds")}
    told = {"Certificate": certificate, "ARIResponse": json.dumps({"suggestedWindow": window})}
    bed.run("acme", f"python3 - {shlex.quote(json.dumps(told))}", text=SUGGEST)


def wait_for(port: int) -> None:
    """Wait until a server listens at a port of that host."""
    listens = f"python3 -c 'import socket; socket.create_connection((\"localhost\", {port}), 2)'"
    bed.eventually(lambda: not bed.run("acme", listens, check=False).returncode, "it does not listen", 30)


@contextmanager
def second_authority(host: Host, resolver: str = RESOLVER, rejected: int = 0, **settings: Any) -> Iterator[None]:
    """Run it on the host of the bed's own.

    Args:
        host: the host whose certbot will ask it.
        resolver: where it looks for challenges, "ADDRESS:PORT".
        rejected: how many of 100 nonces it rejects, though they are right.
        settings: more for Pebble.
    """
    # As it is new each time, it knows no account from before.
    host.check_output(f"rm -rf /etc/letsencrypt/accounts/acme:{PORT}")
    environment = f"--setenv=PEBBLE_VA_NOSLEEP=1 --setenv=PEBBLE_WFE_NONCEREJECT={rejected}"
    start = f"systemd-run --quiet --unit={UNIT} {environment} pebble -config /run/{UNIT}.json -strict=false"
    bed.run(
        "acme",
        f"cat >/run/{UNIT}.json && {start} -dnsserver {resolver}",
        text=json.dumps({"pebble": {**SETTINGS, **settings}}),
    )
    wait_for(PORT)
    try:
        yield
    finally:
        bed.run("acme", f"systemctl stop {UNIT}")
