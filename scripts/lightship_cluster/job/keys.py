"""Makes the notebook's key and certificate request with `openssl`, which every node has."""

from __future__ import annotations

import subprocess
from pathlib import Path

from lightship_cluster.core.errors import ExitStatus, LightshipError
from lightship_cluster.core.programs import run_program

TIMEOUT_SECONDS = 60.0
# Replaces the node's own file, which may be missing, broken, or from another Python environment.
_CONFIG = "[req]\ndistinguished_name = dn\nprompt = no\n[dn]\nCN = lightship\n"


def make_request(folder: Path, key: Path) -> str:
    """Write a new private key and return its certificate request; the registry chooses the names in the certificate."""
    config = folder / "openssl.cnf"
    config.write_text(_CONFIG, "ascii")
    _openssl(["ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", str(key)], config)
    return _openssl(["req", "-new", "-sha256", "-batch", "-config", str(config), "-key", str(key)], config)


def _openssl(arguments: list[str], config: Path) -> str:
    environment = {"PATH": _path(), "OPENSSL_CONF": str(config), "LC_ALL": "C"}
    try:
        done = run_program(["openssl", *arguments], environment, TIMEOUT_SECONDS)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise _failed(str(error)) from error
    if done.returncode:
        raise _failed(" ".join(done.stderr.split()))
    return done.stdout


def _path() -> str:
    # The system's program: one from a user's environment may lack its libraries here.
    return "/usr/bin:/bin:/usr/local/bin"


def _failed(why: str) -> LightshipError:
    return LightshipError(
        f"openssl on this node cannot make a key: {why}. Tell your administrators.", ExitStatus.FAILED
    )
