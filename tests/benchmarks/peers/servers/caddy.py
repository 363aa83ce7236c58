"""Caddy, changed over its admin interface: one map for all links, or one route for each.

A `server_name` with a placeholder makes Caddy build a new transport for each request, so the map has no kept
connections. A route for each link names the host itself and has them.
"""

from __future__ import annotations

import abc
import json
from collections.abc import Sequence
from typing import Any

import httpx

from peers.links import Link
from peers.servers.base import Server, said
from peers.settings import DOMAIN


class Caddy(Server):
    """What both have in common: the admin interface on the next port."""

    def tls(self, name: str) -> dict[str, Any]:
        """Return how Caddy connects to a notebook."""
        made = self.certificates
        return {
            "protocol": "http",
            "versions": ["1.1"],
            "tls": {
                "root_ca_pem_files": [str(made.authority)],
                "client_certificate_file": str(made.client.certificate),
                "client_certificate_key_file": str(made.client.key),
                "server_name": name,
            },
            "keep_alive": {"max_idle_conns": 512, "max_idle_conns_per_host": 64, "idle_timeout": 20_000_000_000},
        }

    def proxy(self, address: str, name: str) -> dict[str, Any]:
        """Return a reverse proxy to an address whose certificate has this name."""
        return {
            "handler": "reverse_proxy",
            "upstreams": [{"dial": address}],
            "transport": self.tls(name),
            "headers": {"request": {"set": {"Host": ["{http.request.hostport}"]}}},
            "flush_interval": -1,
        }

    @abc.abstractmethod
    def routes_of(self, links: Sequence[Link]) -> list[dict[str, Any]]:
        """Return the routes of the start."""

    def configure(self, links: Sequence[Link]) -> None:
        """Write the configuration."""
        made = self.certificates
        server = {
            "listen": [f"127.0.0.1:{self.port}"],
            "routes": self.routes_of(links),
            "tls_connection_policies": [{}],
            "automatic_https": {"disable": True},
            "protocols": ["h1", "h2"],
        }
        pair = {"certificate": str(made.front.certificate), "key": str(made.front.key)}
        document = {
            "admin": {"listen": f"127.0.0.1:{self.port + 1}", "config": {"persist": False}},
            "logging": {"logs": {"default": {"level": "ERROR"}}},
            "apps": {"http": {"servers": {"links": server}}, "tls": {"certificates": {"load_files": [pair]}}},
        }
        (self.folder / "caddy.json").write_text(json.dumps(document), encoding="utf-8")

    def command(self) -> list[str]:
        """Return Caddy in the foreground."""
        return ["caddy", "run", "--config", str(self.folder / "caddy.json")]

    def started(self, links: Sequence[Link]) -> None:
        """Keep a client of the admin interface. It restarts with each change, so no connection to it is kept."""
        del links
        self.api = httpx.Client(
            base_url=f"http://127.0.0.1:{self.port + 1}",
            timeout=120,
            transport=httpx.HTTPTransport(retries=5, limits=httpx.Limits(max_keepalive_connections=0)),
        )

    def version(self) -> str:
        """Return Caddy's version."""
        return f"Caddy {said('caddy', 'version').split()[0]}"


class CaddyMap(Caddy):
    """A `map` handler on the host, and one reverse proxy to the mapped address."""

    name = "caddy-map"
    most_links = 10_000
    limit = (
        "each change loads the whole configuration anew, a second and more with 10,000 links; 100,000 were not tried"
    )
    settings = (
        "JSON configuration with a `map` handler on the host and one `reverse_proxy` to the mapped address; its "
        "`server_name` is a placeholder, for which Caddy makes a connection for each request; a change is a POST or "
        "DELETE of one mapping on the admin interface; no access log (its default)"
    )
    mappings = "/config/apps/http/servers/links/routes/0/handle/0/mappings"

    def routes_of(self, links: Sequence[Link]) -> list[dict[str, Any]]:
        """Return one route with all mappings."""
        self.known = [link.number for link in links]
        mapping = {
            "handler": "map",
            "source": "{http.request.host}",
            "destinations": ["{bench_target}"],
            "mappings": [_mapping(link) for link in links],
            "defaults": [""],
        }
        handlers = [mapping, self.proxy("{bench_target}", "{http.request.host}")]
        return [{"match": [{"host": [f"*.{DOMAIN}"]}], "handle": handlers}]

    def publish(self, link: Link) -> None:
        """Append a mapping."""
        self.api.post(self.mappings, json=_mapping(link)).raise_for_status()
        self.known.append(link.number)

    def remove(self, link: Link) -> None:
        """Delete the mapping, by its place in the list."""
        place = self.known.index(link.number)
        self.api.delete(f"{self.mappings}/{place}").raise_for_status()
        del self.known[place]


class CaddyRoutes(Caddy):
    """A route and a reverse proxy for each link, with an identifier by which it is deleted."""

    name = "caddy-routes"
    most_links = 1_000
    limit = "a reverse proxy with its own TLS settings for each link, and each change loads all of them anew"
    settings = (
        "one route with a `reverse_proxy` for each link, whose `server_name` is the link's, with kept connections; a "
        "change is a POST of one route or a DELETE of its `@id` on the admin interface; no access log (its default)"
    )
    routes_path = "/config/apps/http/servers/links/routes"

    def _route(self, link: Link) -> dict[str, Any]:
        return {"@id": link.name, "match": [{"host": [link.host]}], "handle": [self.proxy(link.authority, link.host)]}

    def routes_of(self, links: Sequence[Link]) -> list[dict[str, Any]]:
        """Return a route for each link."""
        return [self._route(link) for link in links]

    def publish(self, link: Link) -> None:
        """Append a route."""
        self.api.post(self.routes_path, json=self._route(link)).raise_for_status()

    def remove(self, link: Link) -> None:
        """Delete the route."""
        self.api.delete(f"/id/{link.name}").raise_for_status()


def _mapping(link: Link) -> dict[str, Any]:
    return {"input": link.host, "outputs": [link.authority]}
