"""The signature with which a cluster's key vouches for a request."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Sequence

KEY_BYTES = 32
# The headers of a signed request.
CLUSTER, TIME, NONCE = "X-Lightship-Cluster", "X-Lightship-Time", "X-Lightship-Nonce"
SIGNATURE, ALLOWANCE = "X-Lightship-Signature", "X-Lightship-Allowance"


def request_signature(key: bytes, method: str, path: str, body: bytes, time: str, nonce: str, cluster: str) -> str:
    """Return the signature of one request, in hexadecimal digits.

    Args:
        key: the cluster's key, 32 bytes.
        method: as in the request's first line.
        path: with the query, as in the request's first line.
        body: as sent.
        time: Unix time in seconds, as the header has it.
        nonce: 32 hexadecimal digits that no other request has.
        cluster: its name.
    """
    return _signature(key, [method, path, hashlib.sha256(body).hexdigest(), time, nonce, cluster])


def allowance_signature(key: bytes, cluster: str) -> str:
    """Return what names the allowance of requests on which a cluster's requests count."""
    return _signature(key, ["allowance", cluster])


def _signature(key: bytes, parts: Sequence[str]) -> str:
    """HMAC-SHA256 over the parts, one a line. A path as received may hold bytes that are no UTF-8."""
    return hmac.new(key, "\n".join(parts).encode("utf-8", "surrogateescape"), hashlib.sha256).hexdigest()
