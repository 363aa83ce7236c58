"""What a link can lead to, and which program a batch script's last line starts for it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Subject:
    """What messages speak of: what a user has at the link, and the program that must answer there."""

    noun: str
    program: str


A_NOTEBOOK = Subject("notebook", "Jupyter")
A_PROGRAM = Subject("program", "The program")


@dataclass(frozen=True)
class Interface:
    """One of Jupyter's faces: `program` must be beside the command `jupyter`, `package` is what pip calls it.

    Before its version `oldest` it had a server of its own, to which the options of Jupyter's mean nothing.
    """

    program: str
    title: str
    package: str
    oldest: int = 0
    # Or else any program at all.
    jupyter: bool = True


LAB = Interface("jupyter-lab", "JupyterLab", "jupyterlab", 3)
NOTEBOOK = Interface("jupyter-notebook", "Jupyter Notebook 7", "notebook", 7)
CLASSIC = Interface("jupyter-nbclassic", "classic notebook", "nbclassic")
# Voila's own server knows neither certificates nor the proxy's; as an extension of Jupyter's it needs no knowledge.
VOILA = Interface("voila", "Voila", "voila")
# By the name that -s takes, which is that of its batch script too.
INTERFACES = {"jupyterlab": LAB, "notebook": NOTEBOOK, "classic": CLASSIC, "voila": VOILA}

_APP = re.compile(r"^\s*exec .* --app\s*$", re.MULTILINE)
_COMMAND = re.compile(r"^\s*exec .*-- (jupyter[ -][a-z]+)\b(.*)", re.MULTILINE)


def starts_what_is_told(script: Path) -> bool:
    """Whether a batch script starts what --app says, and has no command of its own."""
    return bool(_APP.search(script.read_text("utf-8", "replace")))


def other(program: str) -> Interface:
    """What --app starts."""
    return Interface(program, program, "", jupyter=False)


def interface_of(script: Path) -> Interface | None:
    """What a batch script starts; None when its last line has another form, and it must know what it does."""
    found = _COMMAND.search(script.read_text("utf-8", "replace"))
    if not found:
        return None
    if "/voila" in found[2]:
        return VOILA
    program = found[1].replace(" ", "-")
    return next((known for known in INTERFACES.values() if known.program == program), None)
