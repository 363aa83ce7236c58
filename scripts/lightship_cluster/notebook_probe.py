"""Finds out whether it is really our Jupyter that listens on a port."""

from __future__ import annotations

import errno
import json
import socket
import ssl
from dataclasses import dataclass
from pathlib import Path

from lightship_cluster.errors import ExitStatus, LightshipError

HANDSHAKE_SECONDS = 5.0


@dataclass(frozen=True)
class Bound:
    """What Jupyter's runtime file says about it."""

    port: int
    token: str


def pick_port(address: str, wanted: int = 0) -> int:
    """A port of this address that is free now, or the wanted one if it is."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        # As Jupyter itself will bind; without it a port in TIME_WAIT would look taken.
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


def port_taken(port: int) -> LightshipError:
    """The failure that must never be passed over: the port belongs to another process."""
    return LightshipError(
        f"Port {port} on this node is taken by another process, so the link was not opened. Start again.",
        ExitStatus.PORT,
    )


def read_bound(runtime: Path) -> Bound | None:
    """What Jupyter wrote when it had decided on its port; None while it has not."""
    for file in runtime.glob("jpserver-*.json"):
        try:
            value = json.loads(file.read_text("utf-8"))
            return Bound(int(value["port"]), str(value["token"]))
        except (OSError, ValueError, KeyError, TypeError):
            return None  # half written; the next look will find it whole
    return None


def serves(address: str, port: int, certificate: str) -> bool:
    """Whether exactly this certificate answers; False while nothing listens, an error if somebody else does."""
    wanted = ssl.PEM_cert_to_DER_cert(certificate[: certificate.index("-----END CERTIFICATE-----") + 25] + "\n")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    # Jupyter wants the proxy's certificate, which we lack. Only TLS 1.3 shows us Jupyter's own before it objects.
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    # Compared whole below, which is stricter than any check of names and signatures.
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    try:
        with (
            socket.create_connection((address, port), HANDSHAKE_SECONDS) as plain,
            context.wrap_socket(plain) as secure,
        ):
            found = secure.getpeercert(binary_form=True)
    except (ssl.SSLEOFError, ssl.SSLZeroReturnError):
        return False  # gone while it was asked; whether Jupyter still runs is seen elsewhere
    except ssl.SSLError as error:
        raise port_taken(port) from error
    except OSError:
        return False
    if found != wanted:
        raise port_taken(port)
    return True
