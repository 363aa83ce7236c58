"""Which options of a batch script's last line are not for it to say: where Jupyter listens, and who may enter."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from lightship_cluster.core.errors import ExitStatus, LightshipError
from lightship_cluster.core.job_log import say
from lightship_cluster.job.jupyter_guard import decided

# Named without the class that they are of: Jupyter's short forms, and how notebooks of old spell them.
_SHORT = re.compile(
    r"--(ip|port|port-retries|notebook-dir|root-dir|certfile|keyfile|client-ca|sock|sock-mode|token|transport)"
)
_LONG = re.compile(r"--([A-Za-z]\w*)\.(\w+)")
# Programs that would ask a JupyterHub who may enter.
_OF_HUBS = ("labhub", "jupyter-labhub", "jupyterhub-singleuser")


def without_ours(command: Sequence[str]) -> tuple[str, ...]:
    """The command without options that are ours to decide: a value that does not fit would end Jupyter at once."""
    if any(Path(word).name in _OF_HUBS for word in command[:2]):
        raise LightshipError(
            f"{' '.join(command[:2])} serves a JupyterHub alone. Write `jupyter lab` into the batch script.",
            ExitStatus.JUPYTER,
        )
    kept: list[str] = []
    skip = False
    for word in command:
        if skip and not word.startswith("-"):
            skip = False
            continue
        name, mark, _ = word.partition("=")
        long = _LONG.fullmatch(name)
        if _SHORT.fullmatch(name) or (long and long[2] in decided(long[1])):
            say(f"The option {name} of the batch script is not used: it is the link's to decide{_instead(name)}.")
            skip = not mark
        else:
            skip = False
            kept.append(word)
    return tuple(kept)


def _instead(name: str) -> str:
    if name.endswith(("dir", "_dir")):
        return ". The folder is what start-jupyter -d says"
    return ". It is what start-jupyter --kernels says" if name.endswith("transport") else ""
