"""The cluster's signature on a request to the registry."""

from __future__ import annotations

import secrets
import time
from pathlib import Path

from lightship_cluster.core.errors import ExitStatus, LightshipError
from lightship_protocol.signing import (
    ALLOWANCE,
    CLUSTER,
    KEY_BYTES,
    NONCE,
    SIGNATURE,
    TIME,
    allowance_signature,
    request_signature,
)


def load_key(path: Path) -> bytes:
    """The cluster's key from its file of 64 hexadecimal digits."""
    try:
        key = bytes.fromhex(path.read_text("ascii").strip())
    except OSError as error:
        raise LightshipError(
            f"Cannot read the cluster's key {path} ({error.strerror}). Deploy the role cluster_tools again.",
            ExitStatus.SETTINGS,
        ) from error
    except ValueError:
        # The content must not appear in a message or a traceback.
        key = b""
    if len(key) != KEY_BYTES:
        raise LightshipError(f"The cluster's key {path} must hold 64 hexadecimal digits.", ExitStatus.SETTINGS)
    return key


def sign(key: bytes, cluster: str, method: str, path: str, body: bytes) -> dict[str, str]:
    """The headers that vouch for one request; each has its own nonce and cannot be sent twice."""
    moment, nonce = str(int(time.time())), secrets.token_hex(16)
    return {
        CLUSTER: cluster,
        TIME: moment,
        NONCE: nonce,
        SIGNATURE: request_signature(key, method, path, body, moment, nonce, cluster),
    }


def allowance(key: bytes, cluster: str) -> dict[str, str]:
    """The header by which the web server knows whose allowance of requests this one counts on.

    It proves nothing: the web server believes it only after the registry has accepted a signature beside it. Nobody
    else knows it, so nobody can use the allowance up.
    """
    return {ALLOWANCE: allowance_signature(key, cluster)}
