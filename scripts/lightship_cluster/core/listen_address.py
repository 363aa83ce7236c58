"""Where the notebook listens and with what."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class ListenAddress:
    """Where the notebook listens and with what; every secret is in a file of the private folder."""

    folder: Path
    host: str
    address: str
    port: int
    certificate: str
    token: str
    # In the link's folder, where nobody else can ever put one: kernels and terminals inherit its path.
    token_file: Path

    @property
    def runtime(self) -> Path:
        """Jupyter's own files and its kernels' sockets."""
        return self.folder / "run"

    @property
    def config(self) -> Path:
        """Our own settings file for Jupyter, in a folder with nothing but what it needs."""
        return self.folder / "config" / "jupyter_config.py"

    def file(self, name: str) -> Path:
        """A file of the private folder."""
        return self.folder / name
