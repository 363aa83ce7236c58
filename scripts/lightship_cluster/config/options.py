"""The table of options. Everything that needs to know the options reads it.

These are the command line and its help, the keys of the settings, the shell completion, the manual, and the test that
the guide describes each.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from shlex import join
from typing import Any, Callable

from lightship_cluster.config.values import (
    app_of,
    count_of,
    gpus_of,
    memory_of,
    named_of,
    path_of,
    split_words,
    switch_of,
    title_of,
    word_of,
)
from lightship_cluster.core.durations import minutes_of
from lightship_cluster.core.texts import quoted

# The values of -s, and the batch script in the scheduler's folder that starts each.
INTERFACES: Mapping[str, str] = {
    "notebook": "notebook.sh",
    "jupyterlab": "jupyterlab.sh",
    "lab": "jupyterlab.sh",
    "classic": "classic.sh",
    "voila": "voila.sh",
}
# The batch script of --app.
APP = "app.sh"
# The values of --scheduler: the modules of `schedulers`, and the folders of the site's batch scripts.
SCHEDULERS = ("slurm", "pbs", "torque", "none")
# The values of --runtime: the modules of `environments` that run containers.
RUNTIMES = ("apptainer", "singularity", "podman", "charliecloud")
# The values of --kernels: how Jupyter and its kernels are connected.
KERNELS = ("ipc", "tcp")
# The sources of Jupyter: naming one overrides another from a farther layer.
SOURCES = ("venv", "conda", "image")

NOTEBOOK, ENVIRONMENT, JOB, OUTPUT = "The notebook", "Where Jupyter comes from", "Its job", "What is printed"
KEYS = "Your keys"
FOLDERS, FILES, SCRIPTS, PRESETS = "folders", "files", "scripts", "presets"
PARTITIONS, MODULES, ENVIRONMENTS = "partitions", "modules", "conda environments, or files"


@dataclass(frozen=True)
class Option:
    """One option. Without a metavar it is a switch."""

    flags: tuple[str, ...]
    name: str
    help: str
    group: str
    metavar: str = ""
    convert: Callable[[str], Any] = str
    # The value if neither the command line nor any settings give one.
    default: Any = ""
    # Whether [defaults] and presets may have it too, with `name` as the key.
    setting: bool = True
    # May be given more than once; the value is a tuple. In settings: words as in a shell.
    many: bool = False
    choices: tuple[str, ...] = ()
    # The value of a switch; `--here` sets the value of another option.
    says: Any = True
    # Listed without a description at the end of the help.
    rare: bool = False
    # The completions of the value: one of those above, otherwise the choices.
    offers: str = ""

    def read(self, text: str) -> Any:  # noqa: ANN401 - each option has its own type
        """Read the value of one argument; a ValueError says what to write instead."""
        if self.choices and text and text not in self.choices:
            near = did_you_mean(text, self.choices)
            raise ValueError(f"{quoted(text)} is not one of {', '.join(self.choices)}.{near}")
        # An empty value is not the current folder: a script's variable may be empty.
        return self.default if not text and self.convert is path_of and not self.many else self.convert(text)

    def spelled(self, value: Any) -> list[str]:  # noqa: ANN401 - each option has its own type
        """The arguments of a command line that give the value."""
        flag = self.flags[-1]
        if not self.metavar:
            return [flag] if value == self.says else []
        if self.many:
            return [f"{flag}={each}" for each in value]
        text = f"{value}M" if self.convert is memory_of else join(value) if self.convert is app_of else str(value)
        return [f"{flag}={text}"]

    def read_setting(self, text: str) -> Any:  # noqa: ANN401 - each option has its own type
        """Read the value of a key in a settings file; an empty one means the default."""
        if not text:
            return self.default
        if not self.metavar:
            return switch_of(text)
        return tuple(self.read(word) for word in split_words(text)) if self.many else self.read(text)


def did_you_mean(word: str, known: tuple[str, ...]) -> str:
    """` Did you mean 'partition'?`, or nothing if no known word is similar."""
    from difflib import get_close_matches

    near = get_close_matches(word.lower(), known, 1)
    return f" Did you mean {near[0]!r}?" if near else ""


OPTIONS = (
    Option(
        ("-d", "--dir"), "folder", "top folder of the notebook (default: your home)", NOTEBOOK, "FOLDER", path_of, "~",
        offers=FOLDERS,
    ),
    Option(
        ("-s", "--interface"), "interface", "notebook (default), jupyterlab, classic or voila", NOTEBOOK, "NAME", str,
        "notebook", choices=tuple(INTERFACES),
    ),
    Option(
        ("--app",), "app", "another web program; its command names {port}", NOTEBOOK, "COMMAND", app_of, (),
    ),
    Option(
        ("-b", "--batch"), "batch", "a batch script of the site, or a path to your own", NOTEBOOK, "SCRIPT", path_of,
        offers=SCRIPTS,
    ),
    Option(
        ("--preset",), "preset", "settings that have a name", NOTEBOOK, "NAME", word_of, setting=False, offers=PRESETS,
    ),
    Option(
        ("--kernels",), "kernels", "ipc (default), or tcp, which others on the node can read", NOTEBOOK, "WAY", str,
        KERNELS[0], choices=KERNELS, rare=True,
    ),
    Option(("--title",), "title", "what you call it, for its page and the list", NOTEBOOK, "TEXT", title_of, rare=True),
    Option(
        ("--module",), "modules", "environment module to load; may be repeated", ENVIRONMENT, "NAME", word_of, (),
        many=True, offers=MODULES,
    ),
    Option(("--venv",), "venv", "a virtual environment", ENVIRONMENT, "FOLDER", path_of, offers=FOLDERS),
    Option(
        ("--conda",), "conda", "a conda environment, or an environment.yml", ENVIRONMENT, "NAME", path_of,
        offers=ENVIRONMENTS,
    ),
    Option(
        ("--image",), "image", "a container: file, folder, name or URI", ENVIRONMENT, "IMAGE", path_of, offers=FILES,
    ),
    Option(
        ("--runtime",), "runtime", "what runs the container; otherwise what is there", ENVIRONMENT, "NAME", str,
        choices=RUNTIMES, rare=True,
    ),
    Option(
        ("--bind",), "binds", "a folder to see in the container: SRC[:DST[:ro]]", ENVIRONMENT, "SRC", path_of, (),
        many=True, rare=True,
    ),
    Option(("--gpu",), "gpu", "let the container use the node's GPUs", ENVIRONMENT, default=False, rare=True),
    Option(
        ("-t", "--time"), "time", "minutes (default: 30), 2h, HH:MM:SS; or at the end", JOB, "TIME", minutes_of, 30,
    ),
    Option(
        ("-p", "--partition"), "partition", "partition (or queue) to wait for", JOB, "NAME", word_of,
        offers=PARTITIONS,
    ),
    Option(("-A", "--account"), "account", "project to charge", JOB, "NAME", word_of),
    Option(("-c", "--cores"), "cores", "processor cores", JOB, "N", count_of, 0),
    Option(("-m", "--memory"), "memory", "memory on each node, like 16G", JOB, "SIZE", memory_of, 0),
    Option(("-g", "--gpus"), "gpus", "GPUs: 1, or with their type a100:1", JOB, "GPUS", gpus_of),
    Option(("--nodes",), "nodes", "nodes; Jupyter runs on the first", JOB, "N", count_of, 0, rare=True),
    Option(("--qos",), "qos", "quality of service", JOB, "NAME", word_of, rare=True),
    Option(("--reservation",), "reservation", "reservation to run in", JOB, "NAME", word_of, rare=True),
    Option(("--constraint",), "constraint", "features that the node must have", JOB, "FEATURES", word_of, rare=True),
    Option(
        ("--scheduler",), "scheduler", "slurm, pbs, torque or none; otherwise the one that is found", JOB, "NAME", str,
        choices=SCHEDULERS, rare=True,
    ),
    Option(
        ("--here",), "scheduler", "on this machine, without a job: the same as --scheduler none", JOB,
        setting=False, says="none", rare=True,
    ),
    Option(("--",), "extra", "what follows goes to the scheduler as it is", JOB, "OPTION...", split_words, ()),
    Option(("-i", "--info"), "info", "also print information about the job", OUTPUT, default=False, setting=False),
    Option(("-q", "--quiet"), "quiet", "print the link alone", OUTPUT, default=False, setting=False),
    Option(("--json",), "json", "print one JSON object a line, for programs", OUTPUT, default=False, setting=False),
)  # fmt: skip

# By their keys in settings; --here is a synonym of one of them.
SETTINGS: Mapping[str, Option] = {option.name: option for option in OPTIONS if option.setting}
BUILT_IN: Mapping[str, Any] = {name: option.default for name, option in SETTINGS.items()}


@dataclass(frozen=True)
class Command:
    """A command besides starting; its module in `commands` has the same name."""

    name: str
    help: str
    # Whether it takes a link's name.
    takes_name: bool
    options: tuple[Option, ...] = ()


_QUIET, _JSON = (next(option for option in OPTIONS if option.name == name) for name in ("quiet", "json"))
_TIME = Option(("-t", "--time"), "time", "a longer time, or a shorter one", JOB, "TIME", minutes_of, setting=False)
_MEMORY = Option(("-m", "--memory"), "memory", "more memory, or less", JOB, "SIZE", memory_of, setting=False)
_ALL = Option(("-a", "--all"), "all", "also those that have ended", OUTPUT, default=False, setting=False)
_EVERY = Option(("-a", "--all"), "all", "all that you have on this cluster", NOTEBOOK, default=False, setting=False)
_FOLLOW = Option(("-f", "--follow"), "follow", "go on until the job ends", OUTPUT, default=False, setting=False)
_ADD = Option(
    ("--add",), "add", "add the public key in a file; - is standard input", KEYS, "FILE", named_of, setting=False,
    offers=FILES,
)  # fmt: skip
_REMOVE = Option(
    ("--remove",), "remove", "remove one, by its fingerprint or its comment", KEYS, "KEY", named_of,
    setting=False,
)  # fmt: skip

COMMANDS: Mapping[str, Command] = {
    command.name: command
    for command in (
        Command("list", "your links, how they are, and how long they last", takes_name=False, options=(_ALL, _JSON)),
        Command("open", "print a link again, and open it where there is a desktop", takes_name=True),
        Command(
            "again",
            "start once more as a link was started; without a name, as the last one",
            takes_name=True,
            options=(_TIME, _MEMORY, _QUIET, _JSON),
        ),
        Command("stop", "end a link and its job", takes_name=True, options=(_EVERY,)),
        Command("logs", "what a link's job printed", takes_name=True, options=(_FOLLOW,)),
        Command("doctor", "check the whole way, and say what is wrong first", takes_name=False, options=(_JSON,)),
        Command(
            "keys",
            "the keys with which your machines may open tunnels",
            takes_name=False,
            options=(_ADD, _REMOVE, _JSON),
        ),
    )
}
