"""Checks that our Jupyter, and no other process, listens on a port."""

from __future__ import annotations

import errno
import json
import socket
import ssl
from dataclasses import dataclass
from pathlib import Path

from lightship_cluster.core.errors import ExitStatus, LightshipError

HANDSHAKE_SECONDS = 5.0
PIECE = 16384
# The first bytes of TLS records with a handshake and with an alert, and the type of the certificate message.
_HANDSHAKE, _CERTIFICATE = b"\x16", 11
_RECORDS = (b"\x15", _HANDSHAKE)


class PortLostError(LightshipError):
    """Another process took the port before Jupyter could, and Jupyter has ended."""


@dataclass(frozen=True)
class Bound:
    """The port and the token in Jupyter's runtime file."""

    port: int
    token: str


def pick_port(address: str, wanted: int = 0) -> int:
    """A port of this address that is free now; the wanted one, if it is free."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        # Jupyter binds in the same way. Without this option, a port in TIME_WAIT would look taken.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address, wanted))
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                raise port_taken(wanted) from error
            raise LightshipError(
                f"Cannot use port {wanted} of {address}: {error.strerror}.", ExitStatus.PORT
            ) from error
        return int(probe.getsockname()[1])


def is_taken(address: str, port: int) -> bool:
    """Whether some process listens on the port."""
    try:
        pick_port(address, port)
    except LightshipError:
        return True
    return False


def port_taken(port: int, kind: type[LightshipError] = LightshipError) -> LightshipError:
    """The error for a port that belongs to another process."""
    return kind(
        f"Port {port} on this node is taken by another process, so the link was not opened. Start again.",
        ExitStatus.PORT,
    )


def read_bound(runtime: Path) -> Bound | None:
    """Read the port and the token that Jupyter wrote; None before it has."""
    for file in runtime.glob("jpserver-*.json"):
        try:
            value = json.loads(file.read_text("utf-8"))
            return Bound(int(value["port"]), str(value["token"]))
        except (OSError, ValueError, KeyError, TypeError):
            return None  # half written; the next poll finds all of it
    return None


def serves(address: str, port: int, certificate: str) -> bool:
    """Whether a server with exactly this certificate answers; False while nothing listens, an error for any other."""
    wanted = ssl.PEM_cert_to_DER_cert(certificate[: certificate.index("-----END CERTIFICATE-----") + 25] + "\n")
    try:
        with socket.create_connection((address, port), HANDSHAKE_SECONDS) as connection:
            found = _shown(connection)
    except OSError:
        return False  # it has just ended; the caller checks whether Jupyter still runs
    except _NoTlsError as error:
        raise port_taken(port) from error
    if found is not None and found != wanted:
        raise port_taken(port)
    return found is not None


class _NoTlsError(Exception):
    """The server does not speak TLS."""


def _shown(connection: socket.socket) -> bytes | None:
    """The certificate of the server; None if it closes the connection before it sends one.

    Jupyter requires the web server's certificate, which we lack. In TLS 1.3 it sends its own first and refuses later.
    In TLS 1.2 it refuses within the handshake, which therefore fails; but there its certificate is sent in the clear.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    # The caller compares the whole certificate, which is stricter than any check of names and signatures.
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    handshake, received = context.wrap_bio(incoming, outgoing), b""
    while True:
        try:
            handshake.do_handshake()
            return handshake.getpeercert(binary_form=True)
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLError as error:
            if received[:1] not in _RECORDS:
                raise _NoTlsError from error
            raise _unusable(error) from error
        connection.sendall(outgoing.read())
        piece = connection.recv(PIECE)
        if not piece:
            return None
        received += piece
        found = _in_the_clear(received)
        if found:
            return found
        incoming.write(piece)


def _in_the_clear(received: bytes) -> bytes | None:
    """The certificate in what a server has sent so far in TLS 1.2 (RFC 5246, 6.2.1 and 7.4.2)."""
    messages, at = b"", 0
    while received[at : at + 1] == _HANDSHAKE and len(received) >= at + 5:
        length = int.from_bytes(received[at + 3 : at + 5], "big")
        messages += received[at + 5 : at + 5 + length]
        at += 5 + length
    at = 0
    while len(messages) >= at + 4:
        length = int.from_bytes(messages[at + 1 : at + 4], "big")
        if messages[at] == _CERTIFICATE and len(messages) >= at + 4 + length:
            size = int.from_bytes(messages[at + 7 : at + 10], "big")
            return messages[at + 10 : at + 10 + size]
        at += 4 + length
    return None


def _unusable(error: ssl.SSLError) -> LightshipError:
    return LightshipError(
        f"Jupyter speaks no TLS that the proxy could use ({error.reason or error}). It must offer TLS 1.2 or newer: "
        "look at ServerApp.ssl_options in your Jupyter settings and at the file that OPENSSL_CONF names.",
        ExitStatus.JUPYTER,
    )
