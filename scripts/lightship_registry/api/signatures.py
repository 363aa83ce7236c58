"""Requests that a cluster's key vouches for: HMAC, clock, and each nonce once.

`api/operations.py` calls `Verifier.verify` for each operation that is proven by a signature.
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from lightship_protocol.signing import CLOCK_SECONDS, request_signature
from lightship_registry.core.clock import Clock
from lightship_registry.core.errors import RegistryError, unsigned
from lightship_registry.core.settings import Settings

# Longer than a stamp can stay valid: it may be half a minute ahead now and half a minute old later.
NONCE_SECONDS = 4 * CLOCK_SECONDS
TIME = re.compile(r"[0-9]{1,12}")
NONCE = re.compile(r"[0-9a-f]{32}")
KEY = re.compile(r"[0-9a-fA-F]{64}")


@dataclass(frozen=True)
class Signed:
    """The parts of a request that its signature covers, as received, and the signature."""

    method: str
    path: str
    body: bytes
    time: str
    nonce: str
    cluster: str
    signature: str


def sign(key: bytes, request: Signed) -> str:
    """The signature that the request ought to bear."""
    return request_signature(
        key, request.method, request.path, request.body, request.time, request.nonce, request.cluster
    )


class Verifier:
    """Says whether a known cluster signed a request, now and for the first time."""

    def __init__(self, settings: Settings, spend: Callable[[str, str, float], bool], clock: Clock) -> None:
        self._settings = settings
        self._spend = spend
        self._clock = clock

    def verify(self, request: Signed) -> None:
        """Return if so, else raise what the client may know.

        What differs per reason comes after the signature, for then only the cluster itself can learn it.
        """
        if request.cluster not in self._settings.clusters:
            raise unsigned("no signature, or of an unknown cluster")
        if not _well_formed(request):
            raise unsigned("malformed time or nonce")
        now = self._clock()
        self._require_signature(request, now)
        self._require_time(int(request.time), now)
        if not self._spend(request.cluster, request.nonce, now):
            raise RegistryError("Refused: this request was sent before.", "replayed", 403)

    def _require_time(self, sent: int, now: float) -> None:
        off = sent - now
        if abs(off) > CLOCK_SECONDS:
            raise RegistryError(
                f"Refused: the cluster's clock and the registry's differ by {abs(off):.0f} seconds. "
                f"Set both by NTP; at most {CLOCK_SECONDS} are accepted.",
                "clock",
                403,
            )

    def _require_signature(self, request: Signed, now: float) -> None:
        # Read for every request: a new key counts, and a removed one stops counting, without a restart.
        folder = self._settings.folders.clusters_dir
        given = request.signature.encode("utf-8", "replace")
        for key in (read_key(folder / f"{request.cluster}.key"), read_old_key(folder, request.cluster, now)):
            if key is not None and hmac.compare_digest(sign(key, request).encode(), given):
                return
        raise unsigned("wrong signature")


def read_key(path: Path) -> bytes:
    """The 32 bytes that a cluster's key file holds as hexadecimal digits."""
    try:
        text = path.read_text("ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise unsigned(f"cannot read the key {path}; put it there, readable by the service") from error
    if not KEY.fullmatch(text):
        raise unsigned(f"{path} must hold 64 hexadecimal digits; restore or replace the key")
    return bytes.fromhex(text)


def read_old_key(folder: Path, cluster: str, now: float) -> bytes | None:
    """The key before the last rotation, while it counts: its file names the end of that time in its second line."""
    try:
        key, end = (folder / f"{cluster}.key.old").read_text("ascii").split()
    except (OSError, ValueError):
        return None
    if not KEY.fullmatch(key) or not TIME.fullmatch(end) or now >= int(end):
        return None
    return bytes.fromhex(key)


def _well_formed(request: Signed) -> bool:
    return bool(TIME.fullmatch(request.time) and NONCE.fullmatch(request.nonce))
