"""Sends JSON over HTTPS to the registry."""

from __future__ import annotations

import http.client
import json
import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable
from urllib.parse import urlsplit

from lightship_cluster.core.errors import why
from lightship_cluster.registry_client.dialing import Dialer

TIMEOUT_SECONDS = 10.0
LARGEST_ANSWER = 1 << 20
# The limits of the wait before another try, whatever the server asks for.
SHORTEST_WAIT, LONGEST_WAIT = 0.5, 30.0


class Unreachable(Exception):  # noqa: N818 - no fault of the caller
    """The registry gave no answer."""


@dataclass(frozen=True)
class Answer:
    """An answer of the registry."""

    status: int
    body: dict[str, Any]
    # The wait that it asks for before another try, in seconds.
    retry_after: float = 0.0

    @property
    def busy(self) -> bool:
        """Whether the registry was busy and did nothing."""
        return self.status == http.client.SERVICE_UNAVAILABLE or self.code == "too-many-requests"

    @property
    def wait(self) -> float:
        """The seconds to wait before another try."""
        return max(SHORTEST_WAIT, self.retry_after)

    @property
    def ok(self) -> bool:
        """Whether the request was granted."""
        return 200 <= self.status < 300

    @property
    def code(self) -> str:
        """The error code of a refusal."""
        return str(self.body.get("code", ""))

    @property
    def error(self) -> str:
        """The sentence of a refusal."""
        return str(self.body.get("error") or f"The registry answered with status {self.status}.")


class Transport:
    """Sends single requests. It follows no redirect and uses no proxy: both could send secrets elsewhere."""

    def __init__(self, registry: str, ca_file: Path | None = None, timeout: float = TIMEOUT_SECONDS) -> None:
        parts = urlsplit(registry)
        self.host = parts.hostname or ""
        self.port = parts.port or 443
        self.timeout = timeout
        self.dialer = Dialer(self.host, self.port)
        self.context = ssl.create_default_context(cafile=str(ca_file) if ca_file else None)
        self.context.minimum_version = ssl.TLSVersion.TLSv1_2

    def send(self, method: str, path: str, body: bytes, headers: Mapping[str, str]) -> Answer:
        """Send one request on its own connection."""
        connection = http.client.HTTPSConnection(self.host, self.port, timeout=self.timeout, context=self.context)
        try:
            connection.sock = self.secure()
            connection.request(method, path, body, {**headers, "Content-Type": "application/json"})
            response = connection.getresponse()
            wait = _seconds(response.getheader("Retry-After", ""))
            return Answer(response.status, _decode(response.read(LARGEST_ANSWER)), wait)
        except ssl.SSLCertVerificationError as error:
            raise Unreachable(f"{self.host}: its certificate is not trusted ({error.verify_message})") from error
        except (OSError, http.client.HTTPException) as error:
            origin = f" from {self.dialer.source}" if self.dialer.source else ""
            raise Unreachable(f"{self.host}:{self.port}{origin}: {why(error)}") from error
        finally:
            connection.close()

    def secure(self) -> ssl.SSLSocket:
        """Open a TLS connection to the registry, with its certificate checked."""
        plain = self.dialer.connect(self.timeout)
        try:
            return self.context.wrap_socket(plain, server_hostname=self.host)
        except OSError:
            plain.close()
            raise


def while_busy(send: Callable[[], Answer], seconds: float) -> Answer:
    """Repeat a request while the server is busy, for at most these seconds; return the last answer."""
    deadline = time.monotonic() + seconds
    while True:
        answer = send()
        if not answer.busy or time.monotonic() + answer.wait > deadline:
            return answer
        time.sleep(answer.wait)


def encode(value: Mapping[str, Any]) -> bytes:
    """The body of a request; the signature covers exactly these bytes."""
    return json.dumps(value, separators=(",", ":")).encode("utf-8")


def _decode(raw: bytes) -> dict[str, Any]:
    try:
        value = json.loads(raw)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def _seconds(text: str) -> float:
    return min(float(text), LONGEST_WAIT) if text.isascii() and text.isdigit() else 0.0
