"""Environment modules, Lmod's or the Tcl ones: loaded in the order given, as a login shell would load them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from lightship_cluster.core.texts import quoted
from lightship_cluster.environments.base import Plain, Variables, refused
from lightship_cluster.environments.interfaces import Interface
from lightship_cluster.environments.shells import Shell, never_began, run_script

# How bash hands a function on; where it does, the user's own `module` is there without a login shell.
_HANDED_ON = ("BASH_FUNC_module%%", "BASH_FUNC_module()")
# The old Tcl modules say so and end with 0 all the same.
_ERROR = re.compile(r"ERROR:\d+:|Unable to locate a modulefile|Lmod has detected the following error")
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_./+:@=-]*")
LONGEST_WORDS = 12


@dataclass(frozen=True)
class Modules(Plain):
    """A list of modules."""

    names: tuple[str, ...]

    def metadata(self) -> dict[str, Any]:
        """Their names."""
        return {"modules": list(self.names)}

    def __post_init__(self) -> None:
        """Refuse what is no module's name, before a shell hears of it."""
        for name in self.names:
            if not _NAME.fullmatch(name):
                raise refused(f"{quoted(name)} is not the name of a module. Names look like python/3.12.")

    def check(self, interface: Interface | None, variables: Variables) -> str:
        """Whether they are there is found out by loading them."""
        del interface, variables
        return ""

    def enter(self, variables: Variables) -> dict[str, str]:
        """Load them, and refuse with the module system's own words."""
        return dict(_loaded(self, tuple(variables.items())))

    def command(self) -> str:
        """What a user would type."""
        return f"module load {' '.join(self.names)}"


# A start asks for the same more than once, and a login shell may take seconds.
@lru_cache(maxsize=1)
def _loaded(modules: Modules, pairs: tuple[tuple[str, str], ...]) -> dict[str, str]:
    done = _load(modules, dict(pairs))
    if not done.began:
        raise never_began(modules.command())
    if done.status or not done.variables or _ERROR.search(done.said):
        raise refused(f"Cannot load {modules.command()}. The module system says:\n{_said(done)}")
    return done.variables


def _load(modules: Modules, variables: Variables) -> Shell:
    arguments = [variables.get("PATH", ""), *modules.names]
    if any(name in variables for name in _HANDED_ON):
        done = run_script("load_modules.sh", arguments, variables)
        # Without words of the module system's, what the function calls was not handed on with it.
        if done.variables or _ERROR.search(done.said):
            return done
    others = {name: value for name, value in variables.items() if name not in _HANDED_ON}
    done = run_script("load_modules.sh", arguments, others, login=True)
    # Where the start-up files of a login shell let it come to nothing, the host's own files know where modules are.
    return done if done.began else run_script("load_modules.sh", arguments, others)


def _said(done: Shell) -> str:
    lines = [line.rstrip() for line in done.said.splitlines() if line.strip()]
    return "\n".join(f"    {line.strip()}" for line in lines[:LONGEST_WORDS]) or f"    nothing (status {done.status})"
