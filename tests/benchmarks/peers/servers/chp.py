"""configurable-http-proxy, JupyterHub's default, with host routing and TLS to the notebooks."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Sequence

import httpx

from peers.links import Link
from peers.servers.base import Server, said
from peers.settings import NODE_MODULES

PROGRAM = NODE_MODULES / "configurable-http-proxy" / "bin" / "configurable-http-proxy"


class ConfigurableHttpProxy(Server):
    """One Node.js process; routes by its REST interface."""

    name = "configurable-http-proxy"
    most_links = 10_000
    limit = "its interface takes one route for each request, about 5 ms each: ten minutes for 100,000"
    settings = (
        "`--host-routing`, `--client-ssl-*` with the run's authority and client certificate, so that Node.js checks "
        "each notebook's certificate; connections to notebooks are kept by default; `--log-level warn`, so no access "
        "log; one process, for it has no workers"
    )

    def configure(self, links: Sequence[Link]) -> None:
        """Nothing is written: all of it is arguments."""

    def command(self) -> list[str]:
        """Return the program with its options."""
        made = self.certificates
        pairs = {
            "--ip": "127.0.0.1",
            "--port": str(self.port),
            "--api-ip": "127.0.0.1",
            "--api-port": str(self.port + 1),
            "--ssl-key": str(made.front.key),
            "--ssl-cert": str(made.front.certificate),
            "--client-ssl-key": str(made.client.key),
            "--client-ssl-cert": str(made.client.certificate),
            "--client-ssl-ca": str(made.authority),
            "--log-level": "warn",
        }
        flags = ["--client-ssl-request-cert", "--client-ssl-reject-unauthorized", "--host-routing"]
        return ["node", str(PROGRAM), *[part for pair in pairs.items() for part in pair], *flags]

    def started(self, links: Sequence[Link]) -> None:
        """Make the routes of the start."""
        # Only this machine's own interface: there is no proxy for it.
        self.api = httpx.Client(base_url=f"http://127.0.0.1:{self.port + 1}", timeout=30, trust_env=False)
        for attempt in range(50):
            try:
                self.api.get("/api/routes")
                break
            except httpx.TransportError:
                time.sleep(0.1 if attempt < 49 else 0)
        for link in links:
            self.publish(link)

    def publish(self, link: Link) -> None:
        """Add a route for its host."""
        body = json.dumps({"target": link.target})
        self.api.post(f"/api/routes/{link.host}", content=body).raise_for_status()

    def remove(self, link: Link) -> None:
        """Delete the route."""
        self.api.delete(f"/api/routes/{link.host}").raise_for_status()

    def version(self) -> str:
        """Return its version and Node.js's."""
        package = json.loads((PROGRAM.parents[1] / "package.json").read_text(encoding="utf-8"))
        return f"configurable-http-proxy {package['version']}, Node.js {said('node', '--version')}"


def available() -> bool:
    """Return whether setup.sh has installed it."""
    return os.access(PROGRAM, os.R_OK)
