"""Reads one settings file as the commands would: what deploys it asks before it is put in place.

Usage: PYTHONPATH=bin/start-jupyter python3 -m lightship_cluster.check_settings site|cluster FILE

"-" stands for standard input.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from lightship_cluster import clusters, settings
from lightship_cluster.errors import ExitStatus, LightshipError
from lightship_cluster.ini import read_ini
from lightship_cluster.layers import layer_of

FORMS = {"site": settings.SITE, "cluster": clusters.FORM}


def main(argv: Sequence[str]) -> ExitStatus:
    """Every section, key and value that users may come to need, presets too."""
    form, path = replace(FORMS[argv[0]], help_from=""), Path("/dev/stdin" if argv[1] == "-" else argv[1])
    try:
        layer_of(path, read_ini(path, form), form.help_from)
    except LightshipError as error:
        print(error.sentence, file=sys.stderr)
        return error.status
    return ExitStatus.OK


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
