"""Orders to cut open connections to the target of an ended link. The unit lightship-cut carries them out.

The registry must not have the right to end connections of the web server, so it leaves a file.
"""

from __future__ import annotations

from pathlib import Path

from lightship_registry.core.files import write_beside

# An older order is not carried out any more, and a target rests for longer than this before another link may have it.
# So only the ended link's own visitors are cut off, whenever the order is carried out.
ORDER_SECONDS = 20.0
REST_SECONDS = 30.0


class Cuts:
    """Writes orders: one small file each, which is named like the link and holds the target."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def order(self, name: str, target: str) -> None:
        """Order the cut of all connections to the target. Close the route first, or new connections follow."""
        write_beside(self._folder / name, f"{target}\n".encode("ascii"), 0o600)
