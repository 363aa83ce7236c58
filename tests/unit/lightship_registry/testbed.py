"""A whole registry in a temporary folder, its clients, and notebooks that answer on this machine."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import hmac
import ipaddress
import json
import re
import secrets
import select
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from sqlalchemy import update

from lightship_registry import app
from lightship_registry.api.operations import OPERATIONS
from lightship_registry.core.clock import Clock, steady
from lightship_registry.core.files import TEMPORARY
from lightship_registry.core.observer import NO_OBSERVER, Observer
from lightship_registry.core.settings import Folders, Settings
from lightship_registry.links.parts import build_links
from lightship_registry.prepare import prepare
from lightship_registry.store.database import Database
from lightship_registry.store.schema import links, open_engine
from lightship_registry.sweeper import Sweeper
from lightship_registry.tunnels.tunnels import Tunnels

# For the modules whose tests are to run on SQLite and on PostgreSQL.
both_databases = pytest.mark.parametrize("store_url", ["sqlite", "postgresql"], indirect=True)

DOMAIN = "notebooks.test"
NODE = "127.0.0.1"
# A notebook's token, and what the registry knows of it.
TOKEN = "0123456789abcdef" * 2
TOKEN_SHA256 = hashlib.sha256(TOKEN.encode()).hexdigest()


class Hands:
    """A clock whose hands the test turns; it starts right, for TLS looks at the machine's own."""

    def __init__(self) -> None:
        self.now = float(int(time.time()))

    def __call__(self) -> float:
        return self.now


def make_settings(folder: Path, **changes: Any) -> Settings:
    values: dict[str, Any] = {
        "domain": DOMAIN,
        "clusters": {"demo": (ipaddress.ip_network("127.0.0.0/8"),), "other": (ipaddress.ip_network("10.0.0.0/8"),)},
        "folders": Folders(
            folder / "state", folder / "routes", folder / "clusters", folder / "cut", folder / "tunnels"
        ),
        "https_port": 8443,
        "lease_seconds": 90,
        "heartbeat_seconds": 30,
        "waiting_hours": 168,
        "max_hours": 72,
        "target_rest_seconds": 75,
        "user_quota": 10,
        "user_creations_per_hour": 60,
        "metrics_port": 0,
        "satellite_quota": 1000,
        "satellite_creations_per_hour": 1000,
        "message": "",
        "audit_file": None,
        "store_url": "",
        "allow_local_targets": True,
    }
    return Settings(**{**values, **changes})


class Testbed:
    # Its name begins like that of a class of tests.
    __test__ = False

    def __init__(self, settings: Settings, clock: Hands) -> None:
        self.settings = settings
        self.clock = clock
        self.engine = open_engine(settings.store)
        self.database = Database(self.engine)
        self.parts = build_links(settings, self.database, clock)
        self.store, self.links = self.parts.store, self.parts.links
        self.publisher, self.reconciler = self.parts.publisher, self.parts.reconciler
        self.tunnels = Tunnels(settings, self.database, clock)
        self.app = app.assemble(settings, self.engine, clock)
        self.afterwards = contextlib.ExitStack()

    def close(self) -> None:
        """Let go of the database, and of what tests added."""
        self.afterwards.close()
        self.engine.dispose()

    def sweeper(self, ticks: Clock = steady, observer: Observer = NO_OBSERVER) -> Sweeper:
        """Another sweeper of the same store."""
        lease = self.settings.lease_seconds
        return Sweeper(self.database, self.reconciler, self.tunnels, lease, self.clock, observer, ticks)

    @property
    def routes(self) -> dict[str, str]:
        # Another thread may just be writing one; nobody asks for it by the name it has until then.
        files = [path for path in self.settings.folders.routes_dir.iterdir() if not path.name.startswith(TEMPORARY)]
        return {path.name: path.read_text() for path in files}

    def send(self, method: str, path: str, **options: Any) -> httpx.Response:
        """One request as the web server would pass it on."""
        headers = {"Host": f"registry.{DOMAIN}:8443", "X-Real-IP": NODE, **options.pop("headers", {})}
        return self.send_raw(method, path, httpx.Headers(headers), **options)

    def send_raw(
        self, method: str, path: str, headers: httpx.Headers, content: bytes | None = None, **options: Any
    ) -> httpx.Response:
        async def go() -> httpx.Response:
            transport = httpx.ASGITransport(self.app, raise_app_exceptions=False)
            async with httpx.AsyncClient(transport=transport, base_url=f"https://registry.{DOMAIN}:8443") as client:
                return await client.request(method, path, headers=headers, content=content, **options)

        answer = asyncio.run(go())
        if headers.get("host", "").startswith("registry."):
            require_described(method, path, answer)
        return answer

    def agent(self, method: str, path: str, data: Any = None, **changes: str) -> httpx.Response:
        """A signed request; `changes` replace parts after signing."""
        body = b"" if data is None else json.dumps(data).encode()
        headers = self.signed(method, path, body)
        headers.update({f"X-Lightship-{key.capitalize()}": value for key, value in changes.items()})
        return self.send(method, path, content=body, headers=headers)

    def signed(self, method: str, path: str, body: bytes, cluster: str = "demo") -> dict[str, str]:
        stamp, nonce = str(int(self.clock())), secrets.token_hex(16)
        key = bytes.fromhex((self.settings.folders.clusters_dir / f"{cluster}.key").read_text())
        text = "\n".join([method, path, hashlib.sha256(body).hexdigest(), stamp, nonce, cluster])
        return {
            "X-Lightship-Cluster": cluster,
            "X-Lightship-Time": stamp,
            "X-Lightship-Nonce": nonce,
            "X-Lightship-Signature": hmac.new(key, text.encode(), hashlib.sha256).hexdigest(),
        }

    def job(self, made: dict[str, Any], action: str, data: Any = None, **options: Any) -> httpx.Response:
        """A request that bears the link's secret."""
        headers = {"Authorization": f"Bearer {made['secret']}", **options.pop("headers", {})}
        return self.send(
            "POST", f"/v1/links/{made['name']}/{action}", headers=headers, **{"json": data or {}, **options}
        )

    def create(self, user: str = "alice", seconds: int = 1800, **more: str) -> dict[str, Any]:
        answer = self.agent("POST", "/v1/links", {"user": user, "seconds": seconds, "title": "", **more})
        assert answer.status_code == 201, answer.text
        made: dict[str, Any] = answer.json()
        return made

    def change(self, made: dict[str, Any], **columns: object) -> None:
        """What other parts of the service come to know of a link."""
        with self.engine.connect() as connection:
            connection.execute(update(links).where(links.c.name == made["name"]).values(**columns))
            connection.commit()

    @contextlib.contextmanager
    def without_store(self) -> Iterator[None]:
        """The disk with the store is not there for a while."""
        file = self.settings.store_file
        self.engine.dispose()
        away = file.rename(file.with_name("away"))
        file.mkdir()
        yield
        file.rmdir()
        away.rename(file)

    def status(self, made: dict[str, Any], user: str = "alice") -> dict[str, Any]:
        answer = self.agent("GET", f"/v1/links/{made['name']}?user={user}")
        assert answer.status_code == 200, answer.text
        status: dict[str, Any] = answer.json()
        return status

    def claim(self, made: dict[str, Any]) -> Identity:
        key = ec.generate_private_key(ec.SECP256R1())
        answer = self.job(made, "claim", {"csr": make_csr(key)})
        assert answer.status_code == 200, answer.text
        return Identity(key, answer.json())


def require_described(method: str, path: str, answer: httpx.Response) -> None:
    """Whatever a test meets of the API must be in its table: the status, and the code of a refusal."""
    plain = path.partition("?")[0]
    for operation in OPERATIONS:
        if method == operation.method and re.fullmatch(operation.path.replace("{name}", "[^/]+"), plain):
            codes = operation.failures.get(answer.status_code, ())
            assert answer.status_code == operation.status or answer.json()["code"] in codes, (operation.name, answer)


@dataclass(frozen=True)
class Identity:
    """A claimed link's key and what the registry answered."""

    key: ec.EllipticCurvePrivateKey
    claimed: dict[str, Any]

    def server_context(self, folder: Path) -> ssl.SSLContext:
        chain, key = folder / "chain.pem", folder / "key.pem"
        chain.write_text(self.claimed["certificate"])
        key.write_bytes(self.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(chain, key)
        context.load_verify_locations(cadata=self.claimed["client_ca"])
        context.verify_mode = ssl.CERT_REQUIRED
        return context

    def leaf(self) -> x509.Certificate:
        return x509.load_pem_x509_certificates(self.claimed["certificate"].encode())[0]


def make_csr(key: Any, name: str = "whatever", *extensions: x509.ExtensionType) -> str:
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    builder = x509.CertificateSigningRequestBuilder().subject_name(subject)
    for extension in extensions:
        builder = builder.add_extension(extension, critical=False)
    return builder.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM).decode()


OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"


@contextlib.contextmanager
def notebook(context: ssl.SSLContext | None, answer: bytes = OK, port: int = 0) -> Iterator[int]:
    """Listen on this machine and answer everything alike; an empty answer is none at all."""
    with socket.create_server((NODE, port)) as listener:
        threading.Thread(target=_serve, args=(listener, context, answer), daemon=True).start()
        yield listener.getsockname()[1]
        # Whoever has connected is served first: a listener that closes resets the connections it has not accepted.
        while select.select([listener], [], [], 0)[0]:
            time.sleep(0.01)
        listener.shutdown(socket.SHUT_RDWR)


def _serve(listener: socket.socket, context: ssl.SSLContext | None, answer: bytes) -> None:
    while True:
        try:
            raw, _ = listener.accept()
        except OSError:
            return
        with raw, contextlib.suppress(OSError):
            raw.settimeout(5)
            with context.wrap_socket(raw, server_side=True) if context else raw as peer:
                peer.recv(4096)
                if answer:
                    peer.sendall(answer)
                peer.recv(1)


def build_testbed(folder: Path, **changes: Any) -> Testbed:
    settings, clock = make_settings(folder, **changes), Hands()
    folders = settings.folders
    for each in (folders.routes_dir, folders.clusters_dir, folders.cut_dir, folders.tunnels_dir):
        each.mkdir()
    for cluster in settings.clusters:
        (settings.folders.clusters_dir / f"{cluster}.key").write_text(secrets.token_hex(32))
    prepare(settings, clock)
    return Testbed(settings, clock)
