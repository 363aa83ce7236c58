#!/usr/bin/env -S python3 -B
"""Get, renew and hand out the certificates of workstations that end TLS themselves.

The service lightship-workstation-certificates runs it without an argument: each workstation's certificate is looked at
in a process of its own, so that what fails for one keeps none of the others waiting. The playbook hands over a request
with --take.
"""

from __future__ import annotations

import argparse
import configparser
import json
import subprocess
import sys
from pathlib import Path

import certificate_failure
import certificate_settings
from certbot_run import turn
from certificate_failure import FailureError, report
from workstation_certificate_issuing import CERTIFICATE, Workstation, issue, replace

PROGRAM = "certificates-workstations"
FOLDER = "workstations"
# Everybody may read it: role link_registry serves it.
PUBLIC = "/usr/local/share/lightship/certificates.json"
# A name server may need minutes to show a challenge.
EACH_SECONDS = 900


def known(section: configparser.SectionProxy, settings: str) -> dict[str, Workstation]:
    """Return the workstations of the inventory by their first names."""
    folder = Path(settings).parent / FOLDER
    listed = certificate_settings.workstations(section)
    return {name: Workstation(name, names, folder / name) for name, names in listed.items()}


def hand_out(workstations: dict[str, Workstation], public: Path) -> bool:
    """Write all certificates where everybody may read them; whether any changed."""
    found = {name: each.read(CERTIFICATE).get("chain", "") for name, each in sorted(workstations.items())}
    text = json.dumps({name: chain for name, chain in found.items() if chain}, indent=1) + "\n"
    if public.exists() and public.read_text("utf-8") == text:
        return False
    replace(public, text, 0o644)
    return True


def interpreter(section: configparser.SectionProxy) -> str:
    """Return the Python that has certbot, or this one where the site is its own authority."""
    certbot = section.get("certbot")
    return str(Path(certbot).with_name("python")) if certbot else sys.executable


def each(section: configparser.SectionProxy, settings: str, name: str) -> int:
    """Look at one workstation's certificate in a process of its own, and return its status."""
    command = [interpreter(section), "-B", __file__, "--settings", settings, "--issue", name]
    try:
        return subprocess.run(command, check=False, stdin=subprocess.DEVNULL, timeout=EACH_SECONDS).returncode
    except subprocess.TimeoutExpired:
        remedy = f"See journalctl -u lightship-workstation-certificates; run `{PROGRAM} --issue {name}` by hand."
        said = f"The certificate of {name} was not there within {EACH_SECONDS // 60} minutes."
        return report(f"{PROGRAM}: {name}", FailureError("timeout", said, remedy), f"{name}.json")


def one(options: argparse.Namespace, workstations: dict[str, Workstation], section: configparser.SectionProxy) -> None:
    """Issue for one workstation if that is due."""
    certificate_failure.forget(f"{options.issue}.json")
    with turn(options.settings):
        print(issue(allotted(workstations, options.issue), section), flush=True)


def allotted(workstations: dict[str, Workstation], name: str) -> Workstation:
    """Return a workstation; an error if the inventory has none of that name."""
    if name not in workstations:
        remedy = "Write it into workstation_certificate_names of its host, and run proxy.yml first."
        raise FailureError("unknown", f"The inventory allots {name} to no workstation.", remedy)
    return workstations[name]


def work(options: argparse.Namespace, section: configparser.SectionProxy) -> int:
    """Do what the arguments say."""
    workstations = known(section, options.settings)
    if options.issue:
        one(options, workstations, section)
        return 0
    if options.take:
        taken = allotted(workstations, options.take).take(sys.stdin.read())
        print(f"The request of {options.take} is {'new' if taken else 'the one before'}.", flush=True)
    else:
        certificate_failure.forget_others({f"{name}.json" for name in workstations})
    names = [options.take] if options.take else list(workstations)
    failed = [name for name in names if each(section, options.settings, name)]
    with turn(options.settings):
        if hand_out(workstations, Path(options.public)):
            print("The certificates for everybody to read were written.")
    return 1 if failed else 0


def main(argv: list[str]) -> int:
    """Return 0 when all is well, 1 when a person has to look."""
    parser = argparse.ArgumentParser(prog=PROGRAM, description=(__doc__ or "").split("\n")[0])
    parser.add_argument(
        "--settings", default=certificate_settings.SETTINGS, help="settings file (default: %(default)s)"
    )
    parser.add_argument("--public", default=PUBLIC, help="where everybody reads them (default: %(default)s)")
    parser.add_argument("--take", metavar="NAME", help="take a request from standard input, and issue for it")
    parser.add_argument("--issue", metavar="NAME", help="only issue for one workstation, if that is due")
    options = parser.parse_args(argv)
    try:
        return work(options, certificate_settings.read(options.settings))
    except (FailureError, OSError, subprocess.TimeoutExpired) as error:
        if options.issue:
            return report(f"{PROGRAM}: {options.issue}", error, f"{options.issue}.json")
        return report(PROGRAM, error)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
