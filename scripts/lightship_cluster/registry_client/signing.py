"""Signs requests to the registry with the cluster's key."""

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
    """Read the cluster's key from its file of 64 hexadecimal digits."""
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
    """The signature headers of one request; the nonce makes the request valid once."""
    moment, nonce = str(int(time.time())), secrets.token_hex(16)
    return {
        CLUSTER: cluster,
        TIME: moment,
        NONCE: nonce,
        SIGNATURE: request_signature(key, method, path, body, moment, nonce, cluster),
    }


def allowance(key: bytes, cluster: str) -> dict[str, str]:
    """The header that tells the web server which cluster's allowance a request counts against.

    It proves nothing: the web server believes it only after the registry has accepted a signature beside it. Nobody
    else knows it, so nobody else can use up the allowance.
    """
    return {ALLOWANCE: allowance_signature(key, cluster)}
