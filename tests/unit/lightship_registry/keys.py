"""SSH keys for tests."""

from __future__ import annotations

import subprocess
from pathlib import Path


def new_key(folder: Path, *options: str, comment: str = "alice@laptop") -> str:
    """Make a key in the folder, in place of an earlier one; the line of its .pub file."""
    for name in ("key", "key.pub"):
        (folder / name).unlink(missing_ok=True)
    command = ["ssh-keygen", "-q", "-N", "", "-C", comment, "-f", str(folder / "key"), *(options or ("-t", "ed25519"))]
    subprocess.run(command, check=True)
    return (folder / "key.pub").read_text("utf-8").strip()
