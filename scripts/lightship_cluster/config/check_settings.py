"""Checks one settings file as the commands would read it; a deployment runs it before it installs the file.

Usage: PYTHONPATH=bin/start-jupyter python3 -m lightship_cluster.config.check_settings site|cluster FILE

"-" stands for standard input.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from lightship_cluster.config import centre, clusters, settings
from lightship_cluster.config.ini import Values, read_ini
from lightship_cluster.config.layers import layer_of
from lightship_cluster.core.errors import ExitStatus, LightshipError

# The form of each kind of file, and its section that is not about jobs.
FORMS = {"site": (settings.SITE, "lightship"), "cluster": (clusters.FORM, "cluster")}
STDIN = Path("/dev/stdin")


def main(argv: Sequence[str]) -> ExitStatus:
    """Check every section, key and value, including the presets."""
    form, section = FORMS[argv[0]]
    path = STDIN if argv[1] == "-" else Path(argv[1])
    try:
        sections = read_ini(path, replace(form, help_from=""))
        layer_of(path, sections, "")
        _check_registry(path, sections[section])
        settings.read_networks(path, sections[section].get("notebook_networks", ""), "")
        centre.read_centre(path, sections[section], "")
    except LightshipError as error:
        # The caller knows where the settings came from; /dev/stdin would mean nothing to them.
        print(error.sentence.replace(f"The settings {STDIN} ", "The settings "), file=sys.stderr)
        return error.status
    return ExitStatus.OK


def _check_registry(path: Path, values: Values) -> None:
    # Another file may set what this one leaves out.
    if values.get("registry"):
        settings.check_registry(path, values["registry"], "")
    ca_file = Path(values.get("ca_file", ""))
    # Only an absolute path means the same here as it will where the file is installed, and only on that host.
    if ca_file.is_absolute() and path != STDIN:
        settings.check_ca_file(path, ca_file, "")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
