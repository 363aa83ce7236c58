"""The signature with which a cluster's key vouches for a request."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Sequence

KEY_BYTES = 32
# By how much the two clocks may differ.
CLOCK_SECONDS = 30
# The headers of a signed request.
CLUSTER, TIME, NONCE = "X-Lightship-Cluster", "X-Lightship-Time", "X-Lightship-Nonce"
SIGNATURE, ALLOWANCE = "X-Lightship-Signature", "X-Lightship-Allowance"


def request_signature(key: bytes, method: str, path: str, body: bytes, time: str, nonce: str, cluster: str) -> str:
    """Return the signature of one request, in hexadecimal digits.

    Args:
        key: the cluster's key, 32 bytes.
        method: as in the request's first line.
        path: as in the request's first line, with the query.
        body: as sent.
        time: Unix time in seconds, as the header has it.
        nonce: 32 hexadecimal digits that no other request uses.
        cluster: the cluster's name.
    """
    return _signature(key, [method, path, hashlib.sha256(body).hexdigest(), time, nonce, cluster])


def allowance_signature(key: bytes, cluster: str) -> str:
    """Return the name of the allowance that a cluster's requests count against."""
    return _signature(key, ["allowance", cluster])


def _signature(key: bytes, parts: Sequence[str]) -> str:
    """HMAC-SHA256 over the parts, one per line. A received path may hold bytes that are not UTF-8."""
    return hmac.new(key, "\n".join(parts).encode("utf-8", "surrogateescape"), hashlib.sha256).hexdigest()
