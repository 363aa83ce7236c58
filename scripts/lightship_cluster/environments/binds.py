"""Folders of the node that are visible inside a container."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from lightship_cluster.core.paths import absolute, is_there
from lightship_cluster.core.texts import quoted
from lightship_cluster.environments.base import refused

READ_ONLY = "ro"
# Characters with a meaning in the runtimes' own syntax.
_FORBIDDEN = (",", "\n")


@dataclass(frozen=True)
class Bind:
    """One folder or file."""

    source: str
    target: str
    read_only: bool = False

    @classmethod
    def parse(cls, text: str) -> Bind:
        """Read SRC[:DST[:ro]]; a relative source is relative to the current folder."""
        parts = text.split(":")
        mode = parts[2] if len(parts) == 3 else "rw"
        if len(parts) > 3 or not parts[0] or mode not in (READ_ONLY, "rw") or any(bad in text for bad in _FORBIDDEN):
            raise refused(f"--bind takes SRC, SRC:DST or SRC:DST:ro (without ',' in them), not {quoted(text)}.")
        source = str(absolute(parts[0]))
        target = parts[1] if len(parts) > 1 and parts[1] else source
        if not target.startswith("/"):
            raise refused(f"--bind {text}: {quoted(target)} must be a whole path in the container, such as /data.")
        return cls(source, target, mode == READ_ONLY)

    @property
    def text(self) -> str:
        """The bind in the syntax of the runtimes."""
        return f"{self.source}:{self.target}" + (f":{READ_ONLY}" if self.read_only else "")


def of_folders(*folders: Path) -> list[Bind]:
    """Binds of the folders at their own paths; a folder inside another one is left out."""
    kept: list[Path] = []
    for folder in sorted(set(folders), key=lambda found: (len(found.parts), found)):
        if not any(above == folder or above in folder.parents for above in kept):
            kept.append(folder)
    strange = next((folder for folder in kept if any(bad in str(folder) for bad in (":", *_FORBIDDEN))), None)
    if strange:
        raise refused(f"A container cannot see {strange}: its name has a ':' or a ',' in it. Choose another with -d.")
    return [Bind(str(folder), str(folder)) for folder in kept]


def check_sources(binds: Sequence[Bind]) -> str:
    """A warning about sources that this host lacks: the nodes may have them."""
    missing = [bind.source for bind in binds if not is_there(Path(bind.source))]
    if not missing:
        return ""
    return f"Warning: {', '.join(missing)} of --bind is not on this host. If the node lacks it too, the start fails."
