"""The interfaces that a link can lead to, and which of them a batch script starts."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Subject:
    """The nouns of messages: what the user has at the link, and the program that must answer there."""

    noun: str
    program: str


A_NOTEBOOK = Subject("notebook", "Jupyter")
A_PROGRAM = Subject("program", "The program")


@dataclass(frozen=True)
class Interface:
    """One of Jupyter's interfaces: `program` must be beside the command `jupyter`, `package` is its name for pip.

    Versions before `oldest` had their own server, which ignores the options of Jupyter's server.
    """

    program: str
    title: str
    package: str
    oldest: int = 0
    # False for any other web program.
    jupyter: bool = True


LAB = Interface("jupyter-lab", "JupyterLab", "jupyterlab", 3)
NOTEBOOK = Interface("jupyter-notebook", "Jupyter Notebook 7", "notebook", 7)
CLASSIC = Interface("jupyter-nbclassic", "classic notebook", "nbclassic")
# Voila's own server supports no certificates, neither its own nor the proxy's. As an extension of Jupyter's server it
# needs no support for them.
VOILA = Interface("voila", "Voila", "voila")
# By their names for -s, which are the names of their batch scripts too.
INTERFACES = {"jupyterlab": LAB, "notebook": NOTEBOOK, "classic": CLASSIC, "voila": VOILA}

_APP = re.compile(r"^\s*exec .* --app\s*$", re.MULTILINE)
_COMMAND = re.compile(r"^\s*exec .*-- (jupyter[ -][a-z]+)\b(.*)", re.MULTILINE)


def starts_what_is_told(script: Path) -> bool:
    """Whether a batch script starts the command of --app, and has none of its own."""
    return bool(_APP.search(script.read_text("utf-8", "replace")))


def other(program: str) -> Interface:
    """The interface of a program of --app."""
    return Interface(program, program, "", jupyter=False)


def interface_of(script: Path) -> Interface | None:
    """The interface that a batch script starts; None if its last line has an unknown form."""
    found = _COMMAND.search(script.read_text("utf-8", "replace"))
    if not found:
        return None
    if "/voila" in found[2]:
        return VOILA
    program = found[1].replace(" ", "-")
    return next((known for known in INTERFACES.values() if known.program == program), None)
