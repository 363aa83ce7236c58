"""Checks a server as a job or a browser would: its certificate, its name, its clock and its answer."""

from __future__ import annotations

import http.client
import ssl
import time
from dataclasses import dataclass
from email.utils import parsedate_to_datetime

from lightship_cluster.core.errors import ExitStatus, LightshipError, why
from lightship_cluster.registry_client.transport import Transport


@dataclass(frozen=True)
class ServerCheck:
    """The result of a check."""

    status: int
    # The certificate's remaining time, and its share of the whole validity.
    seconds_left: float
    share_left: float
    # The difference between this host's clock and the server's; None if the server sends no date.
    clock_off: float | None


def check_server(transport: Transport) -> ServerCheck:
    """Ask for the server's first page; the request does not tell who asks."""
    connection = http.client.HTTPSConnection(
        transport.host, transport.port, timeout=transport.timeout, context=transport.context
    )
    try:
        secure = connection.sock = transport.secure()
        certificate = secure.getpeercert() or {}
        connection.request("GET", "/")
        answer = connection.getresponse()
        begins, ends = (ssl.cert_time_to_seconds(str(certificate[key])) for key in ("notBefore", "notAfter"))
        left = ends - time.time()
        return ServerCheck(answer.status, left, left / max(1.0, ends - begins), _off(answer.getheader("Date", "")))
    except ssl.SSLCertVerificationError as error:
        raise _wrong(transport, f"its certificate is not trusted: {error.verify_message}") from error
    except (OSError, http.client.HTTPException) as error:
        raise _wrong(transport, why(error)) from error
    finally:
        connection.close()


def _off(date: str) -> float | None:
    try:
        return abs(time.time() - parsedate_to_datetime(date).timestamp())
    except (TypeError, ValueError):
        return None


def _wrong(transport: Transport, why: str) -> LightshipError:
    return LightshipError(
        f"{transport.host}:{transport.port} cannot be used from this host ({why}). Tell your administrators.",
        ExitStatus.REGISTRY,
    )
