"""The address where a notebook listens, and the files that it needs for it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class ListenAddress:
    """An address with the certificate and the token for it; every secret is in a file of the private folder."""

    folder: Path
    host: str
    address: str
    port: int
    certificate: str
    token: str
    # In the link's folder, where no other user can ever create one: kernels and terminals inherit its path.
    token_file: Path

    @property
    def runtime(self) -> Path:
        """The folder of Jupyter's own files and its kernels' sockets."""
        return self.folder / "run"

    @property
    def config(self) -> Path:
        """Lightship's settings file for Jupyter, in a folder with only what it needs."""
        return self.folder / "config" / "jupyter_config.py"

    def file(self, name: str) -> Path:
        """The path of a file in the private folder."""
        return self.folder / name
