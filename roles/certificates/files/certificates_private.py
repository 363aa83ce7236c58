#!/usr/bin/env -S python3 -B
"""Be the authority of a site that has none: make a root once, and a certificate before the last one's end.

For trials and closed networks. The root may sign for this domain alone, which browsers and OpenSSL check: a browser
that trusts it trusts it for nothing else.
"""

from __future__ import annotations

import argparse
import configparser
import subprocess
import sys
from pathlib import Path

import certificate_failure
import certificate_settings
from certificate_failure import FailureError, report
from certificate_files import certificates, serial
from private_authority import Authority


def renew(section: configparser.SectionProxy, *, always: bool) -> list[str]:
    """Do what there is to do, and return it in words."""
    certificate_failure.forget()
    lineage = Path(section["lineage"])
    authority = Authority(Path(section["authority"]), section["domain"])
    news = [f"A new private authority was made: {authority.root}."] if authority.make() else []
    if always or authority.is_due(lineage / "cert.pem"):
        number = authority.sign(lineage)
        made = certificates(lineage / "cert.pem")[0]
        news.append(f"Certificate {number} of {section['domain']} was made, with serial {serial(made)}.")
    return news


def main(argv: list[str]) -> int:
    """Return 0 when all is well, 1 when a person has to look."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument(
        "--settings", default=certificate_settings.SETTINGS, help="settings file (default: %(default)s)"
    )
    parser.add_argument("--renew", action="store_true", help="make a new key and certificate, also if none is due")
    options = parser.parse_args(argv)
    try:
        news = renew(certificate_settings.read(options.settings), always=options.renew)
    except (FailureError, OSError, subprocess.TimeoutExpired) as error:
        return report("certificates-private", error)
    print("\n".join(news) or "No certificate is due.")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
