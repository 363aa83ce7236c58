"""Advice for a first word that is neither a time nor a command; nothing is started."""

from __future__ import annotations

import os
import shlex
from collections.abc import Sequence

from lightship_cluster.config.options import COMMANDS
from lightship_cluster.config.values import gpus_of, memory_of
from lightship_cluster.core.texts import LONGEST_QUOTED, quoted
from lightship_protocol import forms

# Words of people and of other programs, and the arguments of `start-jupyter` that they mean.
_MEANT = (
    ("lab jupyterlab jupyter-lab labs", "-s jupyterlab"),
    # With the option: the user's settings may have another default.
    ("notebook notebooks nb jupyter-notebook", "-s notebook"),
    ("jupyter start run new launch create begin submit go", ""),
    ("classic nbclassic jupyter-nbclassic", "-s classic"),
    ("voila dashboard", "-s voila"),
    ("app streamlit dash shiny rstudio code vscode tensorboard bokeh", "--app 'COMMAND with {port}'"),
    ("help usage man manual ?", "--help"),
    ("version", "--version"),
    ("info verbose", "-i"),
    ("here local", "--here"),
    ("preset presets profile", "--preset NAME"),
    ("ls ps status show jobs queue squeue qstat links ended history", "list --all"),
    ("kill cancel end delete rm remove quit exit shutdown scancel qdel destroy", "stop"),
    ("url link token connect attach browser", "open"),
    ("log output tail job.log", "logs"),
    ("restart repeat rerun retry relaunch resume renew last", "again"),
    ("check diagnose health troubleshoot", "doctor"),
    ("key ssh-key ssh-keys tunnel tunnels", "keys"),
    ("slurm pbs torque", "--scheduler {word}"),
    ("gpu gpus", "-g 1"),
)
_KINDS = ((".sh", "-b"), (".sif", "--image"), (".yml", "--conda"), (".yaml", "--conda"))


def advice(words: Sequence[str]) -> str:
    """A sentence with the command to type instead; empty if none fits."""
    meant = _meant(words)
    if meant is None:
        return ""
    line = f"start-jupyter {meant}".rstrip()
    return f"{quoted(words[0])} is neither a time nor a command. Did you mean: {line}"


def _meant(words: Sequence[str]) -> str | None:
    first, second = words[0], words[1].lower() if len(words) > 1 else ""
    if len(first) > LONGEST_QUOTED or not first.isprintable():
        return None
    word = first.lower()
    if word in COMMANDS:
        return f"{word}"  # a command comes before all options
    if word in ("help", "man") and second in COMMANDS:
        return f"{second} --help"
    if word in ("jupyter", "start", "run", "new", "launch"):
        return _known(second) or ""
    known = _known(word)
    return known if known is not None else _by_form(first)


def _known(word: str) -> str | None:
    found = (line for names, line in _MEANT if word and word in names.split())
    line = next(found, None)
    return line.replace("{word}", word) if line is not None else None


def _by_form(word: str) -> str | None:
    """The arguments for a link's name, a folder, a file, an amount of memory, or GPUs."""
    if forms.LINK.fullmatch(word):
        return f"open {word}"
    if os.path.isdir(word):  # noqa: PTH112 - pathlib's fails for some words
        return f"-d {shlex.quote(word)}"
    if word.endswith(".ipynb"):
        return f"-d {shlex.quote(os.path.dirname(word) or '.')}"  # noqa: PTH120 - the word need be no path
    flag = next((flag for ending, flag in _KINDS if word.endswith(ending)), "")
    if flag:
        return f"{flag} {shlex.quote(word)}"
    return _by_value(word)


def _by_value(word: str) -> str | None:
    for flag, reader, mark in (("-m", memory_of, "kKmMgGtTbB"), ("-g", gpus_of, ":")):
        try:
            reader(word)
        except ValueError:
            continue
        if any(letter in word for letter in mark):
            return f"{flag} {word}"
    return None
