"""What the role tells its programs: whose certificate it is, where its files are, and which web server shows it."""

from __future__ import annotations

import configparser

from certificate_failure import FailureError

SETTINGS = "/etc/letsencrypt/lightship/deployed.ini"


def read(path: str) -> configparser.SectionProxy:
    """Return the settings that the Ansible role wrote; an error that says what to do if there are none."""
    settings = configparser.ConfigParser(interpolation=None)
    if not settings.read(path, encoding="utf-8"):
        remedy = "Deploy the role certificates again: site.yml --tags certificates."
        raise FailureError("unknown", f"{path} cannot be read.", remedy)
    return settings["deployed"]
