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

# The variables by which bash exports the function `module`; with them no login shell is needed.
_HANDED_ON = ("BASH_FUNC_module%%", "BASH_FUNC_module()")
# The old Tcl modules print errors and still exit with 0.
_ERROR = re.compile(r"ERROR:\d+:|Unable to locate a modulefile|Lmod has detected the following error")
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_./+:@=-]*")
LONGEST_WORDS = 12


@dataclass(frozen=True)
class Modules(Plain):
    """Environment modules to load."""

    names: tuple[str, ...]

    def metadata(self) -> dict[str, Any]:
        """The names of the modules."""
        return {"modules": list(self.names)}

    def __post_init__(self) -> None:
        """Refuse what is not a module's name before it reaches a shell."""
        for name in self.names:
            if not _NAME.fullmatch(name):
                raise refused(f"{quoted(name)} is not the name of a module. Names look like python/3.12.")

    def check(self, interface: Interface | None, variables: Variables) -> str:
        """Check nothing: loading the modules shows whether they exist."""
        del interface, variables
        return ""

    def enter(self, variables: Variables) -> dict[str, str]:
        """Load the modules; a failure has the module system's own message."""
        return dict(_loaded(self, tuple(variables.items())))

    def command(self) -> str:
        """The command that a user would type."""
        return f"module load {' '.join(self.names)}"


# A start loads the same modules more than once, and a login shell may take seconds.
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
        # Without an error of the module system, the function itself could not run: what it calls was not exported.
        if done.variables or _ERROR.search(done.said):
            return done
    others = {name: value for name, value in variables.items() if name not in _HANDED_ON}
    done = run_script("load_modules.sh", arguments, others, login=True)
    # If the user's start-up files end a login shell, the host's own files still know where modules are.
    return done if done.began else run_script("load_modules.sh", arguments, others)


def _said(done: Shell) -> str:
    lines = [line.rstrip() for line in done.said.splitlines() if line.strip()]
    return "\n".join(f"    {line.strip()}" for line in lines[:LONGEST_WORDS]) or f"    nothing (status {done.status})"
