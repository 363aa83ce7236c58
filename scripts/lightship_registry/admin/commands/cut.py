"""`lightship cut`: the command of the unit lightship-cut. It must start fast, so it imports little."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path

import click

from lightship_registry.admin.status import ExitStatus
from lightship_registry.core import audit
from lightship_registry.links.connection_killer import CANNOT, ConnectionKiller


@click.command()
@click.option("--folder", type=click.Path(path_type=Path), default="/run/lightship/cut", show_default=True)
@click.option("--routes", type=click.Path(path_type=Path), default="/run/lightship/routes", show_default=True)
def cut(folder: Path, routes: Path) -> int:
    """End what is still connected to the notebooks of ended links.

    The registry leaves one file per ended link in the folder; systemd starts this command when there is one. It is
    not meant to be typed, but does no harm.
    """
    audit.set_up()
    try:
        return ExitStatus.OK if ConnectionKiller(folder, routes).run() else ExitStatus.FAILED
    except (OSError, subprocess.SubprocessError) as error:
        audit.problem(f"Connections of ended links were not cut: {error}. {CANNOT}")
        # systemd restarts the unit at once while there are files: this limits it to once a second.
        time.sleep(1)
        return ExitStatus.FAILED
