"""The web server under test: which program, on which host. A scenario names both."""

from __future__ import annotations

import os
from dataclasses import dataclass

from testinfra.host import Host


@dataclass(frozen=True)
class WebServer:
    """How one web server's unit, processes and files are called; what users get is the same for all."""

    name: str
    unit: str
    # Lists the processes that serve requests.
    workers: str
    logs: str
    # The value of the header Server.
    header: str
    # Test the configuration that the service uses.
    tests: tuple[str, ...]
    # The site, as the role writes it, and what tests a candidate for its place.
    site: str
    check_site: str
    # A site of somebody else's beside it.
    other_site: str
    # Takes the host of a request's first line, as the standard says, where the other refuses a request that names two.
    takes_the_first_host: bool
    # Asks a fixed notebook by its own name, because it checks certificates by the Host header.
    asks_by_the_targets_name: bool
    # Keeps connections to links' notebooks, and gives up a TLS handshake that does not begin.
    keeps_connections: bool
    # Refuses a head of an answer that is too long, however many lines it has.
    bounds_heads: bool
    # Applies its filters to the head of a 101, and to what has no head of HTTP.
    filters_all_heads: bool

    def worker_ids(self, host: Host) -> set[str]:
        """Return the processes that serve requests."""
        return set(host.check_output(self.workers).split())


NGINX = WebServer(
    "nginx",
    "nginx",
    "pgrep -f 'nginx: worker process$'",
    "/var/log/nginx",
    "nginx",
    ("nginx -t -q -c /etc/nginx/lightship.conf", "nginx -t"),
    "/etc/nginx/conf.d/lightship.conf",
    "/usr/local/lib/lightship/check-nginx-site",
    "/etc/nginx/conf.d/other.conf",
    takes_the_first_host=False,
    asks_by_the_targets_name=False,
    keeps_connections=True,
    bounds_heads=True,
    filters_all_heads=True,
)
APACHE = WebServer(
    "apache",
    "apache2",
    "pgrep -P $(cat /run/apache2/lightship.pid)",
    "/var/log/apache2",
    "Apache",
    ("apache2 -t -f /etc/apache2/lightship.conf",),
    "/etc/apache2/lightship.conf",
    "apache2 -t -f",
    "/etc/apache2/sites-enabled/other.conf",
    takes_the_first_host=True,
    asks_by_the_targets_name=True,
    keeps_connections=False,
    bounds_heads=False,
    filters_all_heads=False,
)
SERVER = {server.name: server for server in (NGINX, APACHE)}[os.environ.get("WEB_SERVER", "nginx")]

HOST = os.environ.get("PROXY_HOST", "proxy13")
# By host: its domain, its address, and the first port of its notebooks, because both hosts may be tested at once.
DOMAIN, PROXY, FIRST_PORT = {
    "proxy12": ("bookworm.test", "10.89.77.12", 24000),
    "proxy13": ("trixie.test", "10.89.77.13", 21000),
}[HOST]
TESTINFRA_HOSTS = [f"ssh://{HOST}"]
