"""What the role tells its programs: whose certificate it is, where its files are, and which web server shows it."""

from __future__ import annotations

import configparser

from certificate_failure import FailureError

SETTINGS = "/etc/letsencrypt/lightship/deployed.ini"
WORKSTATIONS = "workstations"


def read(path: str) -> configparser.SectionProxy:
    """Return the settings that the Ansible role wrote; an error that says what to do if there are none."""
    settings = configparser.ConfigParser(interpolation=None)
    if not settings.read(path, encoding="utf-8"):
        remedy = "Deploy the role certificates again: site.yml --tags certificates."
        raise FailureError("unknown", f"{path} cannot be read.", remedy)
    return settings["deployed"]


def workstations(section: configparser.SectionProxy) -> dict[str, list[str]]:
    """Return the names that each workstation's certificate is for, by the first of them."""
    parser = section.parser
    return {name: words.split() for name, words in parser.items(WORKSTATIONS)} if WORKSTATIONS in parser else {}
