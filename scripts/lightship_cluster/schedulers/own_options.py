"""The user's own options for the scheduler, and the directives in the batch script, read and checked."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path

from lightship_cluster.core.errors import ExitStatus, LightshipError
from lightship_cluster.schedulers.sbatch_names import SBATCH_NAMES

Flags = tuple[str, ...]


@dataclass(frozen=True)
class Refused:
    """An option that would break a link, and why; with `with_value`, only with that value."""

    flags: Flags
    why: str
    with_value: str = ""

    def stands_in(self, words: Sequence[str]) -> bool:
        """Whether the option is among these."""
        if self.with_value:
            return any(self.with_value in value for value in values_of(words, self.flags))
        return any(_is_one_of(word, self.flags) for word in words)


@dataclass(frozen=True)
class Dialect:
    """The options of a command that submits jobs; the directives after its mark take the same options.

    `switches` are the letters without a value, `names` all long options: with both, abbreviations and several letters
    in one word are read as the command itself reads them.
    """

    mark: str
    partition: Flags
    # The options of the time; own_times reads their values.
    time: Flags
    refused: tuple[Refused, ...]
    # Options that are refused on the command line, but not in a script: our command line overrides them there.
    not_typed: tuple[Refused, ...] = ()
    qos: Flags = ()
    switches: str = ""
    names: tuple[str, ...] = ()

    def partition_in(self, words: Sequence[str]) -> str:
        """The partition, or queue, that these options name."""
        return value_of(self.read(words), self.partition)

    def qos_in(self, words: Sequence[str]) -> str:
        """The quality of service that these options name."""
        return value_of(self.read(words), self.qos)

    def read(self, words: Sequence[str]) -> list[str]:
        """The options with their full names, each letter as a word."""
        return [read for word in words for read in self._read(word)]

    def directives(self, script: Path | None) -> list[str]:
        """The options in the head of a batch script, read in the same way."""
        return self.read(directives(script, self.mark))

    def _read(self, word: str) -> list[str]:
        if word.startswith("--"):
            typed, equals, value = word[2:].partition("=")
            known = [typed] if typed in self.names else [name for name in self.names if name.startswith(typed)]
            return [f"--{known[0] if len(known) == 1 else typed}{equals}{value}"]
        letters = len(word) - len(word[1:].lstrip(self.switches)) if word.startswith("-") else 1
        # The last letter stays a word of its own if no letter with a value follows.
        letters = min(letters, len(word) - 1)
        return [*(f"-{letter}" for letter in word[1:letters]), f"-{word[letters:]}" if letters > 1 else word]


_ARRAY = "A job array would start the same notebook several times."
_WAIT = "start-jupyter itself waits for the job."
_NO_JOB = "It would make no job."
_NO_NUMBER = "It would hide the job's number."
SBATCH = Dialect(
    "#SBATCH",
    ("-p", "--partition"),
    ("-t", "--time"),
    (
        Refused(("-a", "--array"), _ARRAY),
        Refused(
            ("-M", "--clusters", "--cluster"),
            "A job of another cluster cannot be followed from here: log in to that cluster to start it there.",
        ),
        Refused(("-W", "--wait"), _WAIT),
        Refused(("--test-only",), _NO_JOB),
    ),
    not_typed=(Refused(("--requeue",), "A job that is started again could not use its link again."),),
    qos=("-q", "--qos"),
    switches="HhOQsuVvW",
    names=SBATCH_NAMES,
)
# For a job array, PBS has -J, Torque -t, and Slurm's qsub both; neither means anything else elsewhere.
QSUB = Dialect(
    "#PBS",
    ("-q",),
    ("-l",),
    (
        Refused(("-J", "-t"), _ARRAY),
        Refused(("-W",), _WAIT, "block=true"),
        Refused(("-I",), _WAIT),
        Refused(("-z",), _NO_NUMBER),
    ),
    switches="fhIVXz",
)


def directives(script: Path | None, mark: str) -> list[str]:
    """The options after the mark in the head of a batch script, which ends at the first command."""
    words: list[str] = []
    for line in _head(script):
        if line.startswith(mark):
            with suppress(ValueError):  # an open quotation: the scheduler reports it
                words += shlex.split(line[len(mark) :], comments=True)
    return words


def value_of(words: Sequence[str], flags: Flags) -> str:
    """The value of the last of these flags: `-pX`, `-p X`, `--partition=X` or `--partition X`; empty without any."""
    return next(reversed(values_of(words, flags)), "")


def values_of(words: Sequence[str], flags: Flags) -> list[str]:
    """The values of these flags, in order."""
    found = []
    for word, following in zip_longest(words, words[1:], fillvalue=""):
        name, _, value = word.partition("=")
        if word in flags:
            found.append(following)
        elif name in flags and name.startswith("--"):
            found.append(value)
        elif word[:2] in flags:
            found.append(word[2:])
    return found


def parted(words: Sequence[str], flag: str) -> tuple[list[str], list[str]]:
    """Split the options into the others and the values of a flag of one letter, `-l X` or `-lX`."""
    others: list[str] = []
    values: list[str] = []
    left = iter(words)
    for word in left:
        if word == flag:
            values.append(next(left, ""))
        elif word.startswith(flag):
            values.append(word[len(flag) :])
        else:
            others.append(word)
    return others, values


def require_usable(typed: Sequence[str], script: Path | None, own: Dialect, dialects: Sequence[Dialect]) -> None:
    """Refuse options that make several jobs, no job, or a job that cannot be followed.

    Typed options are in the `own` dialect, those of the script in any of the `dialects`.
    """
    for refused in (*own.refused, *own.not_typed):
        if refused.stands_in(own.read(typed)):
            raise _refused(refused)
    for dialect in dialects:
        for refused in dialect.refused:
            if refused.stands_in(dialect.directives(script)):
                raise _refused(refused)


def _is_one_of(word: str, flags: Flags) -> bool:
    return word.partition("=")[0] in flags or (word[:2] in flags and not word.startswith("--"))


def _head(script: Path | None) -> Iterator[str]:
    try:
        lines = script.read_text("utf-8", "replace").splitlines() if script else []
    except OSError:
        return
    for line in lines:
        if line.strip() and not line.lstrip().startswith("#"):
            return
        yield line


def _refused(refused: Refused) -> LightshipError:
    flags = [f"{flag} {refused.with_value}".strip() for flag in refused.flags[:2]]
    return LightshipError(f"{refused.why} Leave out {' or '.join(flags)}.", ExitStatus.USAGE)
