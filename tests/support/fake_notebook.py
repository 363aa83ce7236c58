"""Fake notebooks for the web server's tests, which keep what reached them, and a browser that sends any bytes.

The notebooks are threads of the test, on this machine's address in the bed's network, with certificates that the
registry's own authority signed. So a test sees every byte that the proxy let through.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import http.client
import itertools
import socket
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from support.proxy_host import DOMAIN, FIRST_PORT, PROXY

HERE = "10.89.77.1"
# A name of this machine's for the hosts, as images/testhost/acme/etc/resolver.hosts has it.
DESK = f"desk.{DOMAIN}"
ROUTES = "/run/lightship-test/routes"
# Below those that the kernel gives to outgoing connections.
PORTS = itertools.count(FIRST_PORT)
REPLY = b"HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nnotebook"

# What a browser sends to open a WebSocket, and when its user goes to a page.
UPGRADE = {"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": "eA=="}
NAVIGATION = {"Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
# Requests that no page of another address may make, by their method and headers: fetched, posted, framed, loaded.
FOREIGN_REQUESTS: list[tuple[str, dict[str, str]]] = [
    ("GET", {}),
    ("POST", NAVIGATION),
    ("GET", {"Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "iframe"}),
    ("GET", {"Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Dest": "image"}),
    ("GET", {"Sec-Fetch-Mode": "cors", "Sec-Fetch-Dest": "empty"}),
]

Handler = Callable[[socket.socket, bytes], None]


@dataclass(frozen=True)
class Authority:
    """A certificate authority, the registry's or one of the test's own."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    @classmethod
    def load(cls, certificate: str, key: str) -> Self:
        """Return the authority in two PEM texts."""
        private = serialization.load_pem_private_key(key.encode(), None)
        assert isinstance(private, ec.EllipticCurvePrivateKey)
        return cls(x509.load_pem_x509_certificate(certificate.encode()), private)

    @classmethod
    def stranger(cls, name: x509.Name) -> Self:
        """Return a new authority with the name of another one."""
        key = ec.generate_private_key(ec.SECP256R1())
        builder = _builder(name, name, key, days=1)
        builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        return cls(builder.sign(key, hashes.SHA256()), key)

    def issue(self, folder: Path, host: str, *, days: int = 1) -> Path:
        """Write a server certificate for `host` and its key to one file; with negative days it has expired."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)])
        builder = _builder(subject, self.certificate.subject, key, days=days)
        builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), critical=False)
        builder = builder.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key())
        builder = builder.add_extension(issuer, critical=False)
        plain = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        path = folder / f"{host}-{next(PORTS)}.pem"
        path.write_bytes(
            builder.sign(self.key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
            + key.private_bytes(serialization.Encoding.PEM, *plain)
        )
        return path


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, days: int
) -> x509.CertificateBuilder:
    now = dt.datetime.now(dt.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=10))
        .not_valid_after(now + dt.timedelta(days=days))
    )


def reply(connection: socket.socket, _request: bytes) -> None:
    """Answer a request with the word notebook."""
    connection.sendall(REPLY)


def echo(connection: socket.socket, request: bytes) -> None:
    """Switch protocols, and from then on say everything twice."""
    assert b"Upgrade: websocket" in request
    connection.sendall(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n")
    while data := connection.recv(4096):
        connection.sendall(data * 2)


@dataclass
class Notebook:
    """A server with a certificate that keeps what it received; without a certificate it speaks plain HTTP.

    With an authority for clients it demands a certificate of theirs, as the notebooks of links do.
    """

    certificate: Path | None
    client_authority: Path | None
    handler: Handler = reply
    port: int = field(default_factory=lambda: next(PORTS))
    received: list[bytes] = field(default_factory=list)
    connections: list[socket.socket] = field(default_factory=list)

    @property
    def route(self) -> str:
        """The address as it stands in a route file, without newline."""
        return f"https://{HERE}:{self.port}"

    @contextlib.contextmanager
    def listening(self) -> Iterator[Self]:
        """Serve until the block ends; connections that are open then stay open."""
        listener = socket.create_server((HERE, self.port), backlog=64)
        threading.Thread(target=self._accept, args=[listener], daemon=True).start()
        try:
            yield self
        finally:
            # A blocked accept() would keep the port open in spite of close().
            listener.shutdown(socket.SHUT_RDWR)
            listener.close()

    def _accept(self, listener: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = listener.accept()
                threading.Thread(target=self._serve, args=[connection], daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with contextlib.suppress(OSError):
            connection = self._secure(connection)
            self.connections.append(connection)
            pending = b""
            while data := connection.recv(65536):
                self.received.append(data)
                pending += data
                while b"\r\n\r\n" in pending:
                    head, pending = pending.split(b"\r\n\r\n", 1)
                    self.handler(connection, head)
        connection.close()

    def _secure(self, connection: socket.socket) -> socket.socket:
        # As Jupyter's Tornado at the end of an answer, which else waits until the proxy confirms what came before.
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self.certificate is None:
            return connection
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.certificate)
        if self.client_authority:
            context.load_verify_locations(self.client_authority)
            context.verify_mode = ssl.CERT_REQUIRED
        return context.wrap_socket(connection, server_side=True)


Start = Callable[..., Notebook]
Route = Callable[[str, str], None]


@dataclass(frozen=True)
class Answer:
    """The answer to a request."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes

    def header(self, name: str) -> list[str]:
        """Return every value of a header."""
        return [value for key, value in self.headers if key.lower() == name.lower()]


@dataclass(frozen=True)
class Browser:
    """Sends any bytes to the proxy, and trusts only the bed's authority."""

    trust: ssl.SSLContext

    def connect(self, server_name: str) -> ssl.SSLSocket:
        """Return a TLS connection to the proxy for a host's name."""
        plain = socket.create_connection((PROXY, 443), timeout=20)
        try:
            return self.trust.wrap_socket(plain, server_hostname=server_name)
        except OSError:
            plain.close()
            raise

    def websocket(self, host: str, path: str = "/ws") -> ssl.SSLSocket:
        """Return a connection that the host's own page has opened as a WebSocket."""
        connection = self.connect(host)
        lines = [f"GET {path} HTTP/1.1", f"Host: {host}", f"Origin: https://{host}"]
        lines += [f"{name}: {value}" for name, value in UPGRADE.items()]
        connection.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())
        assert connection.recv(4096).startswith(b"HTTP/1.1 101 ")
        return connection

    def ask(
        self,
        host: str,
        path: str = "/",
        headers: Mapping[str, str] | None = None,
        *,
        method: str = "GET",
        body: bytes = b"",
        authority: str = "",
        seconds: float = 20,
    ) -> Answer:
        """Send one request on a connection of its own.

        Args:
            host: name for TLS and for the Host header.
            path: sent as it is.
            headers: further headers.
            method: HTTP method.
            body: sent with its length, if there is any.
            authority: the Host header, if it shall differ from `host`.
            seconds: how long the answer may take.
        """
        connection = http.client.HTTPConnection(host)
        # A connection that exists already: http.client would use the path and the Host header for its own ends.
        connection.sock = self.connect(host)
        connection.sock.settimeout(seconds)
        connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
        sent = {"Host": authority or host, **({"Content-Length": str(len(body))} if body else {}), **(headers or {})}
        for name, value in sent.items():
            connection.putheader(name, value)
        connection.endheaders(body or None)
        with contextlib.closing(connection):
            response = connection.getresponse()
            body = b"" if response.status == http.client.SWITCHING_PROTOCOLS else response.read()
            return Answer(response.status, response.getheaders(), body)
