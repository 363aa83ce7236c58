"""nginx with one notebook written down: what a request costs without any lookup, with kept connections and without."""

from __future__ import annotations

from collections.abc import Sequence

from peers.links import Link
from peers.servers.base import Server, said
from peers.settings import DOMAIN

MAIN = """
daemon off;
user www-data;
worker_processes auto;
worker_rlimit_nofile 16384;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{ worker_connections 8192; }}
http {{
    access_log {folder}/access.log;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    sendfile on;
    tcp_nopush on;
    server_tokens off;
    map $http_upgrade $bench_upgrade {{ default ""; websocket websocket; }}
    map $http_upgrade $bench_connection {{ default ""; websocket upgrade; }}
    upstream notebook {{
        server {authority};
        {keepalive}
    }}
    server {{
        listen 127.0.0.1:{port} ssl http2 backlog=4096;
        server_name *.{domain};
        ssl_certificate {front.certificate};
        ssl_certificate_key {front.key};
        ssl_protocols TLSv1.2 TLSv1.3;
        ssl_prefer_server_ciphers off;
        ssl_session_cache shared:bench:10m;
        ssl_session_tickets off;
        keepalive_requests 1000000;
        location / {{
            proxy_pass https://notebook;
            proxy_http_version 1.1;
            proxy_ssl_verify on;
            proxy_ssl_trusted_certificate {authority_file};
            proxy_ssl_server_name on;
            proxy_ssl_name $host;
            proxy_ssl_protocols TLSv1.2 TLSv1.3;
            proxy_ssl_certificate {client.certificate};
            proxy_ssl_certificate_key {client.key};
            proxy_ssl_session_reuse off;
            proxy_set_header Host $http_host;
            proxy_set_header Upgrade $bench_upgrade;
            proxy_set_header Connection $bench_connection;
            proxy_set_header X-Real-IP $remote_addr;
            proxy_set_header X-Forwarded-For $remote_addr;
            proxy_set_header X-Forwarded-Host $http_host;
            proxy_set_header X-Forwarded-Proto https;
            client_max_body_size 0;
            proxy_request_buffering off;
            proxy_buffering off;
            proxy_buffer_size 16k;
            proxy_buffers 8 16k;
            proxy_read_timeout 86400s;
            proxy_send_timeout 86400s;
        }}
    }}
}}
"""


class NginxStatic(Server):
    """One wildcard server, one upstream; no routing at all."""

    name = "nginx-static"
    routes = False
    most_links = 10
    limit = "a reference: one target for every name, so its cost does not depend on the number of links"
    keepalive = "keepalive 512; keepalive_requests 10000; keepalive_timeout 20s; keepalive_time 50s;"
    settings = (
        "`keepalive 512` upstream (as Lightship), unbuffered both ways (files of any size), `proxy_ssl_verify on` with "
        "the link's name, no TLS session reuse upstream (as Lightship)"
    )

    def configure(self, links: Sequence[Link]) -> None:
        """Write nginx.conf for the first link's target."""
        text = MAIN.format(
            folder=self.folder,
            port=self.port,
            domain=DOMAIN,
            authority=links[0].authority,
            keepalive=self.keepalive,
            front=self.certificates.front,
            client=self.certificates.client,
            authority_file=self.certificates.authority,
        )
        (self.folder / "nginx.conf").write_text(text, encoding="utf-8")

    def command(self) -> list[str]:
        """Return nginx in the foreground."""
        return ["nginx", "-c", str(self.folder / "nginx.conf")]

    def publish(self, link: Link) -> None:
        """Do nothing: every name is known."""

    def remove(self, link: Link) -> None:
        """Do nothing: every name is known."""

    def version(self) -> str:
        """Return nginx's version."""
        return said("nginx", "-v").removeprefix("nginx version: ")


class NginxStaticClosing(NginxStatic):
    """The same without kept connections: nginx's default for an upstream."""

    name = "nginx-static-no-keepalive"
    keepalive = ""
    settings = "the same without `keepalive`: a connection and a TLS handshake to the notebook for each request"
