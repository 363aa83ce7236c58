"""Routes as files: how Lightship's registry tells either web server where a link's notebook is."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from peers.links import Link


class RouteFiles:
    """A folder with a file for each link, written beside and renamed, as the registry does."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def write_all(self, links: Sequence[Link]) -> None:
        """Make the folder with the routes of these links."""
        self.folder.mkdir(mode=0o755)
        for link in links:
            (self.folder / link.name).write_text(f"{link.target}\n", encoding="ascii")

    def publish(self, link: Link) -> None:
        """Write a route."""
        beside = self.folder / f".{link.name}.new"
        beside.write_text(f"{link.target}\n", encoding="ascii")
        beside.replace(self.folder / link.name)

    def remove(self, link: Link) -> None:
        """Remove a route."""
        (self.folder / link.name).unlink(missing_ok=True)
