"""HAProxy with a map from host names to addresses, changed over its runtime interface."""

from __future__ import annotations

import socket
from collections.abc import Sequence

from peers.links import BACKEND_PORT, Link
from peers.servers.base import BenchmarkError, Server, said

CONFIGURATION = """
global
    maxconn 4096
    hard-stop-after 5s
    stats socket {folder}/admin.sock mode 600 level admin
    tune.ssl.default-dh-param 2048
    tune.bufsize 16384
    ssl-default-bind-options ssl-min-ver TLSv1.2 no-tls-tickets
    ssl-default-server-options ssl-min-ver TLSv1.2 no-tls-tickets
defaults
    mode http
    log stdout format raw local0
    option httplog
    timeout connect 5s
    timeout client 86400s
    timeout server 86400s
    timeout http-request 20s
    timeout http-keep-alive 60s
    timeout tunnel 86400s
    http-reuse safe
frontend links
    bind 127.0.0.1:{port} ssl crt {front.both} alpn h2,http/1.1 backlog 4096
    http-request set-var(txn.target) req.hdr(host),field(1,:),lower,map_str({folder}/links.map)
    http-request return status 404 unless {{ var(txn.target) -m found }}
    http-request set-header X-Forwarded-Proto https
    http-request set-header X-Real-IP %[src]
    option forwardfor
    default_backend notebooks
backend notebooks
    http-request set-dst var(txn.target)
    http-request set-dst-port int({backend_port})
    default-server ssl verify required ca-file {authority} crt {client.both} no-ssl-reuse
    default-server sni req.hdr(host),field(1,:) pool-max-conn 512 pool-purge-delay 20s
    server notebook 0.0.0.0:0
"""


class HAProxy(Server):
    """A map of the host names; `http-request set-dst` sends each request to its notebook."""

    name = "haproxy-maps"
    settings = (
        "`map_str` (a tree, not `map_reg`), `set-dst`, one `server 0.0.0.0:0` with `sni` from the Host header, against "
        "which HAProxy checks the certificate; `http-reuse safe` with `pool-max-conn 512`, connections told apart by "
        "address and SNI; `no-ssl-reuse`, because it would offer the session of one notebook to another; changes by "
        "`add map` and `del map`; a thread for each processor (default)"
    )

    def configure(self, links: Sequence[Link]) -> None:
        """Write the map and the configuration."""
        lines = "".join(f"{link.host} {link.address}\n" for link in links)
        (self.folder / "links.map").write_text(lines, encoding="ascii")
        text = CONFIGURATION.format(
            folder=self.folder,
            port=self.port,
            front=self.certificates.front,
            client=self.certificates.client,
            authority=self.certificates.authority,
            backend_port=BACKEND_PORT,
        )
        (self.folder / "haproxy.cfg").write_text(text, encoding="utf-8")

    def command(self) -> list[str]:
        """Return HAProxy in the foreground."""
        return ["haproxy", "-db", "-f", str(self.folder / "haproxy.cfg")]

    def _tell(self, line: str) -> None:
        with socket.socket(socket.AF_UNIX) as talk:
            talk.settimeout(10)
            talk.connect(str(self.folder / "admin.sock"))
            talk.sendall(line.encode() + b"\n")
            if answer := talk.recv(4096).strip():
                raise BenchmarkError(f"{self.name} refused {line!r}: {answer.decode()}")

    def publish(self, link: Link) -> None:
        """Add it to the map."""
        self._tell(f"add map {self.folder}/links.map {link.host} {link.address}")

    def remove(self, link: Link) -> None:
        """Delete it from the map."""
        self._tell(f"del map {self.folder}/links.map {link.host}")

    def version(self) -> str:
        """Return HAProxy's version."""
        return f"HAProxy {said('haproxy', '-v').removeprefix('HAProxy version ').split()[0]}"
