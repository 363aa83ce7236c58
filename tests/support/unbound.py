"""A resolver that asks name servers itself, on the host of the bed's own, which only hands questions on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from support import bed

ADDRESS, PORT = "10.89.77.11", 5353
INSTALL = "DEBIAN_FRONTEND=noninteractive apt-get install -y unbound >&2 && systemctl disable --now unbound"
# It forgets everything at once: tests change what name servers have.
SETTINGS = f"""
server:
  interface: 127.0.0.1@{PORT}
  interface: {ADDRESS}@{PORT}
  access-control: 10.89.77.0/24 allow
  username: ""
  chroot: ""
  directory: "/run"
  pidfile: ""
  do-daemonize: no
  do-not-query-localhost: no
  cache-max-negative-ttl: 0
  cache-max-ttl: 0
  local-zone: "test." nodefault
"""
STUB = """
stub-zone:
  name: "%s"
  stub-addr: %s
"""


@contextmanager
def unbound(zone: str, address: str, anchor: str = "") -> Iterator[None]:
    """Run it.

    Args:
        zone: the domain that it knows a name server of.
        address: that name server.
        anchor: the key with which it checks signatures below that domain; it checks none without.
    """
    modules = (
        f'module-config: "validator iterator"\n  trust-anchor: "{anchor}"' if anchor else 'module-config: "iterator"'
    )
    bed.run("acme", f"command -v unbound || ({INSTALL})")
    bed.run(
        "acme",
        "cat >/run/unbound.conf && systemd-run --quiet --unit=follows unbound -d -c /run/unbound.conf",
        text=f"{SETTINGS}  {modules}\n{STUB % (zone, address)}",
    )
    try:
        yield
    finally:
        bed.run("acme", "systemctl stop follows")
