#!/opt/certbot/bin/python -B
"""Run `certbot renew` and say in one sentence why it failed.

It runs certbot in its own process, with the Python of certbot's venv.
"""

from __future__ import annotations

import argparse
import configparser
import subprocess
import sys
from pathlib import Path

import certificate_failure
import certificate_files
import certificate_settings
from certbot_outcome import explain
from certbot_run import FOLDERS, run_certbot, see_room, turn
from certificate_failure import FailureError, report

PROVE = "certificates-deployed"


def renew(section: configparser.SectionProxy, more: list[str]) -> int:
    """Renew the certificate if it is due."""
    lineage, domain = Path(section["lineage"]), section["domain"]
    certificate_failure.forget()
    for folder in FOLDERS:
        see_room(folder)
    certificate_files.mend(lineage)
    if certificate_files.fault(certificate_files.in_place(lineage), needs_chain=True):
        # certbot cannot judge such files; that program goes back to the version before.
        return subprocess.run([Path(__file__).with_name(PROVE)], check=False).returncode
    command = ["renew", "--config", section["config"], "--cert-name", domain, "--no-random-sleep-on-renew", *more]
    failure = explain(run_certbot(command, section["writer"]), domain)
    if failure:
        raise failure
    return 0


def main(argv: list[str]) -> int:
    """Return 0 when all is well, 1 when a person has to look."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument(
        "--settings", default=certificate_settings.SETTINGS, help="settings file (default: %(default)s)"
    )
    parser.add_argument("more", nargs="*", help="more words for certbot, after --")
    options = parser.parse_args(argv)
    try:
        settings = certificate_settings.read(options.settings)
        with turn(options.settings):
            return renew(settings, options.more)
    except (FailureError, OSError) as error:
        return report("certificates-renew", error)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
