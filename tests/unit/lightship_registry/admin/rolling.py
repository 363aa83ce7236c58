"""A proxy host on which authorities are replaced, and the notebooks that it reaches."""

from __future__ import annotations

import ssl
import time
from contextlib import suppress
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec

from lightship_registry.admin import service_control
from lightship_registry.admin.status import ExitStatus
from lightship_registry.core.records import LinkRequest, Owner
from lightship_registry.links.parts import build_links
from lightship_registry.links.probe import Prober
from lightship_registry.pki.keystore import Keystore, key_of
from lightship_registry.store.database import Database
from unit.lightship_registry.admin.conftest import Desk
from unit.lightship_registry.testbed import DOMAIN, Hands, Identity, make_csr


class KilledError(BaseException):
    """The process is killed: no handler of the program's catches it."""


class Notebook:
    """What a notebook has for its whole life from its claim."""

    def __init__(self, name: str, identity: Identity, folder: Path) -> None:
        self.name = name
        self.context = identity.server_context(folder)


class Proxy:
    """A proxy host with its web server and registry, which know the files as they were when they last read them."""

    def __init__(self, desk: Desk, folder: Path) -> None:
        self.desk = desk
        self.settings = desk.testbed.settings
        self.keys = Keystore(self.settings)
        self.own = folder
        self.broken = False
        self.runs = True
        self.notebooks: list[Notebook] = []
        self.count = 0
        # What was done to files and units, and after how much of it the process is killed.
        self.steps, self.lives_for = 0, -1
        self.start_web_server()
        self.start_registry()

    def start_web_server(self) -> None:
        """It starts, or reads its files again: neither goes well with a key that is not the certificate's."""
        self.context = ssl.create_default_context(cafile=str(self.keys.trusted))
        # Neither nginx nor Apache trusts an authority below a root without being told, as newer versions of Python do.
        self.context.verify_flags &= ~(ssl.VERIFY_X509_PARTIAL_CHAIN | ssl.VERIFY_X509_STRICT)
        self.context.load_cert_chain(self.keys.client, key_of(self.keys.client))

    def start_registry(self) -> None:
        self.clock = Hands()
        self.parts = build_links(self.settings, Database(self.desk.testbed.engine), self.clock)
        self.client_ca = self.keys.proxy_pem()
        Prober(self.keys)

    def systemctl(self, *arguments: str) -> str | None:
        self.step()
        if arguments[0] == "try-reload-or-restart":
            if self.broken:
                return None
            self.start_web_server()
        elif arguments == ("try-restart", service_control.SERVICE):
            assert self.runs, "what does not run is not restarted"
            self.start_registry()
        return "active" if self.runs else "inactive"

    def step(self) -> None:
        if 0 <= self.lives_for <= self.steps:
            raise KilledError
        self.steps += 1

    def start_notebook(self, seconds_ago: int = 0) -> Notebook:
        self.clock.now = float(int(time.time()) - seconds_ago)
        self.count += 1
        made, _ = self.parts.links.create(Owner("demo", f"user{self.count}"), LinkRequest(7200))
        key = ec.generate_private_key(ec.SECP256R1())
        claimed = self.parts.links.claim(self.parts.store.get(made.name), make_csr(key))
        identity = Identity(key, {"certificate": claimed.certificate, "client_ca": self.client_ca})
        self.notebooks.append(Notebook(made.name, identity, self.own))
        return self.notebooks[-1]

    def end(self, *ended: Notebook) -> None:
        for notebook in ended:
            assert self.desk.run("revoke", notebook.name, "--yes") == ExitStatus.OK
            self.notebooks.remove(notebook)

    def reaches(self, notebook: Notebook) -> bool:
        return shake_hands(self.context, notebook.context, f"{notebook.name}.{DOMAIN}")

    def require_all_reached(self) -> None:
        assert [notebook.name for notebook in self.notebooks if not self.reaches(notebook)] == []

    def files(self) -> dict[str, set[str]]:
        return {folder.name: {path.name for path in folder.iterdir()} for folder in self.keys.folders}

    def kept(self) -> str:
        """All that is in the files, of those that an interrupted command left too."""
        found = [path for folder in self.keys.folders for path in folder.rglob("*") if path.is_file()]
        return "".join(path.read_text() for path in found)

    def key(self, name: str) -> str:
        return (self.keys.folders[0] / f"{name}.key").read_text()

    def run(self, *arguments: str) -> int:
        return self.desk.run("authorities", *arguments)


def shake_hands(client: ssl.SSLContext, server: ssl.SSLContext, host: str) -> bool:
    """Whether both accept each other's certificate; OpenSSL's own judgment, without a connection."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    left = [
        client.wrap_bio(to_client, to_server, server_hostname=host),
        server.wrap_bio(to_server, to_client, server_side=True),
    ]
    try:
        for _ in range(5):
            for side in left[:]:
                with suppress(ssl.SSLWantReadError):
                    side.do_handshake()
                    left.remove(side)
    except ssl.SSLError:
        return False
    return not left
