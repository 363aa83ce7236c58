"""Orders to cut what is still connected to the target of an ended link; the unit lightship-cut carries them out.

The registry has no right to end a connection of the web server, and gets none: it leaves a file.
"""

from __future__ import annotations

from pathlib import Path

from lightship_registry.core.files import write_beside

# An order older than this is not carried out any more, and a target rests for longer than this before another link may
# have it: whenever the orders are carried out, nobody but the ended link's own visitors is cut off.
ORDER_SECONDS = 20.0
REST_SECONDS = 30.0


class Cuts:
    """One small file per order, named like the link, that holds the target."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def order(self, name: str, target: str) -> None:
        """Have all connections to the target cut. Its route must be closed before, or new ones would come."""
        write_beside(self._folder / name, f"{target}\n".encode("ascii"), 0o600)
