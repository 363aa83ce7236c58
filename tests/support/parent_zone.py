"""The parent domain of the host on which role dns_zone is tested alone: a signed zone of another BIND's."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator
from contextlib import contextmanager

from support import bed
from support.zone_host import ADDRESS, DOMAIN, OTHER, OTHER_ADDRESS, serial

ZONE = "test"
FOLDER = "/var/lib/bind/parent"
# The file for an administrator's own zones, on a host with the role and a domain of its own.
LOCAL = "/etc/bind/named.conf.local"
# A parent that does not look whether what it is told makes sense, as registries are.
SETTINGS = f"""
zone "{ZONE}" {{
  type primary; file "{FOLDER}/zone"; key-directory "{FOLDER}";
  check-integrity no; inline-signing yes; dnssec-policy default;
}};
"""
HEAD = """$ORIGIN test.
$TTL 60
@ IN SOA ns.test. hostmaster.test. %d 3600 900 1209600 60
@ IN NS ns.test.
ns IN A %s
"""
NAME_SERVER = f"{DOMAIN}. NS ns.{DOMAIN}."
GLUE = f"ns.{DOMAIN}. A {ADDRESS}"
# Each signature takes a number, too.
_numbers = itertools.count(int(time.time()), 1000)


@contextmanager
def parent_zone() -> Iterator[None]:
    """Have the other host serve it, at first without a delegation."""
    bed.run(
        OTHER, f"install -d -o bind -g bind {FOLDER} && cp {LOCAL} /run/parent.local && cat >>{LOCAL}", text=SETTINGS
    )
    try:
        hold(reload="reconfig")
        yield
    finally:
        bed.run(OTHER, f"cat /run/parent.local >{LOCAL} && rndc reconfig && rm -r {FOLDER}")


def hold(*records: str, reload: str = f"reload {ZONE}") -> None:
    """Have the parent domain hold these records, and no others of the domain."""
    number = next(_numbers)
    text = HEAD % (number, OTHER_ADDRESS) + "".join(f"{record}\n" for record in records)
    bed.run(OTHER, f"cat >{FOLDER}/zone && rndc {reload}", text=text)
    bed.eventually(lambda: serial(ZONE, server=OTHER_ADDRESS) >= number, "the parent has not what it was told")
