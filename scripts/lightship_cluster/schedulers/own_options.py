"""What a job is told besides its resources: by the directives in its batch script, and by a user's own options."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path

from lightship_cluster.errors import ExitStatus, LightshipError

Flags = tuple[str, ...]


@dataclass(frozen=True)
class Dialect:
    """Which options of a command that submits say what; the directives behind its mark take the same."""

    mark: str
    partition: Flags
    array: Flags
    # What they say of the time is read in own_times.
    time: Flags
    qos: Flags = ()
    clusters: Flags = ()

    def partition_in(self, words: Sequence[str]) -> str:
        """The partition, or queue, that these options name."""
        return value_of(words, self.partition)

    def qos_in(self, words: Sequence[str]) -> str:
        """The quality of service that these options name."""
        return value_of(words, self.qos)


SBATCH = Dialect(
    "#SBATCH",
    ("-p", "--partition"),
    ("-a", "--array"),
    ("-t", "--time"),
    ("-q", "--qos"),
    ("-M", "--clusters", "--cluster"),
)
# PBS has -J for a job array, Torque -t, and Slurm's qsub both; none uses the other's for anything else.
QSUB = Dialect("#PBS", ("-q",), ("-J", "-t"), ("-l",))


def directives(script: Path | None, mark: str) -> list[str]:
    """The options behind the mark in the head of a batch script: what comes after the first command is not read."""
    words: list[str] = []
    for line in _head(script):
        if line.startswith(mark):
            with suppress(ValueError):  # an open quotation: the scheduler itself says so
                words += shlex.split(line[len(mark) :], comments=True)
    return words


def value_of(words: Sequence[str], flags: Flags) -> str:
    """What the last of these flags says: `-pX`, `-p X`, `--partition=X` or `--partition X`; nothing without any."""
    return next(reversed(values_of(words, flags)), "")


def values_of(words: Sequence[str], flags: Flags) -> list[str]:
    """What each of these flags says, in the order in which they stand."""
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
    """The other options, and what each `-l X` and `-lX` says, for a flag of one letter."""
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


def require_one_job(words: Sequence[str], dialect: Dialect) -> None:
    """Refuse options that make several jobs, or one that is out of sight."""
    if value_of(words, dialect.array):
        raise _refused("A job array would start the same notebook several times.", dialect.array)
    if value_of(words, dialect.clusters):
        sentence = "A job of another cluster cannot be followed from here: log in to that cluster to start it there."
        raise _refused(sentence, dialect.clusters)


def _head(script: Path | None) -> Iterator[str]:
    try:
        lines = script.read_text("utf-8", "replace").splitlines() if script else []
    except OSError:
        return
    for line in lines:
        if line.strip() and not line.lstrip().startswith("#"):
            return
        yield line


def _refused(sentence: str, flags: Flags) -> LightshipError:
    return LightshipError(f"{sentence} Leave out {' or '.join(flags[:2])}.", ExitStatus.USAGE)
