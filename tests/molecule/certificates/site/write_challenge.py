#!/opt/certbot/bin/python
"""The challenge, written by a site's own script as certificates_dns_provider=hook wants it: `set` or `remove`.

It has certbot's own dnspython, and the update key of the name server on this host.
"""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

import dns.name
import dns.query
import dns.rcode
import dns.tsig
import dns.update

KEY_FILE = Path("/etc/bind/lightship/acme-update.key")
SECONDS = 5


def change(name: str, *, add: list[str] | None = None, remove: list[str] | None = None) -> None:
    """Add TXT values to a name that is a zone of its own, and remove others."""
    found = re.search(r'key "([^"]+)".*secret "([^"]+)"', KEY_FILE.read_text(), re.DOTALL)
    if not found:
        raise SystemExit(f"{KEY_FILE} holds no key")
    key = dns.tsig.Key(found[1], found[2], dns.tsig.HMAC_SHA512)
    update = dns.update.UpdateMessage(name, keyring={key.name: key}, keyname=key.name)
    for value in remove or []:
        update.delete("@", "TXT", f'"{value}"')
    for value in add or []:
        update.add("@", 1, "TXT", f'"{value}"')
    answer = dns.query.tcp(update, "127.0.0.1", timeout=SECONDS)
    if answer.rcode() != dns.rcode.NOERROR:
        raise SystemExit(f"{name} was not changed: {dns.rcode.to_text(answer.rcode())}")


if __name__ == "__main__":
    challenge = [os.environ["CERTBOT_VALIDATION"]]
    change(f"_acme-challenge.{os.environ['CERTBOT_DOMAIN']}", **{{"set": "add"}.get(sys.argv[1], "remove"): challenge})
    print(f"{sys.argv[1]} by the script of the site")
