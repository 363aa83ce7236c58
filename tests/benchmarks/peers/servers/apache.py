"""Apache 2.4, event MPM: static with and without kept connections, and one virtual host per link (Satellite)."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

from peers.links import Link
from peers.servers.base import START_SECONDS, BenchmarkError, Server, said
from peers.settings import DOMAIN

MODULE_FOLDER = Path("/usr/lib/apache2/modules")
MODULES = [
    "mpm_event",
    "authz_core",
    "log_config",
    "ssl",
    "socache_shmcb",
    "proxy",
    "proxy_http",
    "proxy_wstunnel",
    "headers",
    "http2",
    "env",
    "setenvif",
]
MAIN = """
ServerRoot {folder}
{modules}
PidFile {folder}/apache.pid
DefaultRuntimeDir {folder}
Mutex file:{folder} default
ErrorLog {folder}/error.log
User www-data
Group www-data
ServerName localhost
ServerTokens Prod
LogFormat "%a %{{Host}}i %t \\"%m %U %H\\" %>s %B %D" bench
CustomLog {folder}/access.log bench
# Room for the idle WebSockets of the benchmark: each takes a thread.
ServerLimit 16
StartServers 2
ThreadLimit 128
ThreadsPerChild 128
MinSpareThreads 128
MaxSpareThreads 256
MaxRequestWorkers 2048
KeepAlive On
MaxKeepAliveRequests 0
KeepAliveTimeout 60
Protocols h2 http/1.1
Listen 127.0.0.1:{port}
ListenBacklog 4096
SSLSessionCache shmcb:{folder}/sessions(512000)
SSLSessionTickets off
SSLProtocol -all +TLSv1.2 +TLSv1.3
SSLCertificateFile {front.certificate}
SSLCertificateKeyFile {front.key}
SSLProxyVerify require
SSLProxyCheckPeerName on
SSLProxyCACertificateFile {authority}
SSLProxyMachineCertificateFile {client.both}
ProxyPreserveHost On
ProxyTimeout 86400
{site}
"""
HOST = """
<VirtualHost 127.0.0.1:{port}>
ServerName {host}
{alias}
SSLEngine on
SSLProxyEngine on
{inherited}
ProxyPass / {target}/ retry=0 upgrade=websocket {options}
</VirtualHost>
"""


class Apache(Server):
    """What the three have in common."""

    def inherited(self) -> str:
        """Return what a virtual host does not take from the main server."""
        made = self.certificates
        return (
            f"SSLCertificateFile {made.front.certificate}\nSSLCertificateKeyFile {made.front.key}\n"
            "SSLProxyVerify require\nSSLProxyCheckPeerName on\nProxyPreserveHost On\n"
            f"SSLProxyCACertificateFile {made.authority}\nSSLProxyMachineCertificateFile {made.client.both}"
        )

    def host(self, link: Link, name: str, alias: str, options: str) -> str:
        """Return a virtual host."""
        return HOST.format(
            port=self.port,
            host=name,
            alias=alias,
            inherited=self.inherited(),
            target=link.target,
            options=options,
        )

    def write(self, site: str) -> None:
        """Write the main file."""
        built_in = {name for name in MODULES if not (MODULE_FOLDER / f"mod_{name}.so").exists()}
        modules = "\n".join(
            f"LoadModule {name}_module {MODULE_FOLDER}/mod_{name}.so" for name in MODULES if name not in built_in
        )
        text = MAIN.format(
            folder=self.folder,
            modules=modules,
            port=self.port,
            front=self.certificates.front,
            client=self.certificates.client,
            authority=self.certificates.authority,
            site=site,
        )
        (self.folder / "apache.conf").write_text(text, encoding="utf-8")

    def command(self) -> list[str]:
        """Return Apache in the foreground."""
        return ["apache2", "-f", str(self.folder / "apache.conf"), "-DFOREGROUND"]

    def version(self) -> str:
        """Return Apache's version."""
        return said("apache2", "-v").partition("\n")[0].removeprefix("Server version: ")


class ApacheStatic(Apache):
    """One wildcard virtual host, one target; no routing at all."""

    name = "apache-static"
    routes = False
    most_links = 10
    limit = "a reference: one target for every name, so its cost does not depend on the number of links"
    options = "ttl=20"
    settings = (
        "event MPM; `SSLProxyVerify require`, `SSLProxyCheckPeerName on`, `ProxyPreserveHost On`; connections to the "
        "notebook kept (the default of a fixed `ProxyPass`), `ttl=20`. Apache closes a kept connection whose name is "
        "not the request's, so all clients of the reference ask for one name"
    )

    def configure(self, links: Sequence[Link]) -> None:
        """Write the site."""
        self.write(self.host(links[0], f"any.{DOMAIN}", f"ServerAlias *.{DOMAIN}", self.options))

    def publish(self, link: Link) -> None:
        """Do nothing: every name is known."""

    def remove(self, link: Link) -> None:
        """Do nothing: every name is known."""


class ApacheStaticClosing(ApacheStatic):
    """The same with a connection for each request, which is what a target computed for each request gets."""

    name = "apache-static-no-reuse"
    options = "disablereuse=on"
    settings = "the same with `disablereuse=on`: a connection and a TLS handshake to the notebook for each request"


class ApacheVirtualHosts(Apache):
    """One virtual host for each link in a file of its own; a graceful restart for every change, as Satellite does."""

    name = "apache-virtual-hosts"
    most_links = 1_000
    limit = "each change reads all virtual hosts and makes their TLS contexts anew; more were not tried"
    settings = (
        "one `<VirtualHost>` per link in a file of its own, kept connections, `apachectl graceful` for each change "
        "(changes that arrive during one are taken by the next)"
    )

    def configure(self, links: Sequence[Link]) -> None:
        """Write a file for each link."""
        self.hosts = self.folder / "hosts"
        self.hosts.mkdir()
        for link in links:
            self.add(link)
        unknown = (
            f"<VirtualHost 127.0.0.1:{self.port}>\nServerName unknown.invalid\nSSLEngine on\n{self.inherited()}\n"
            "</VirtualHost>\n"
        )
        self.write(f"{unknown}IncludeOptional {self.hosts}/*.conf")

    def started(self, links: Sequence[Link]) -> None:
        """Wait for the file by which a graceful restart finds the process; it is written after the port is open."""
        del links
        end = time.monotonic() + START_SECONDS
        while not (self.folder / "apache.pid").exists() and time.monotonic() < end:
            time.sleep(0.02)

    def add(self, link: Link) -> None:
        """Write the file of a link."""
        beside = self.hosts / f"{link.name}.new"
        beside.write_text(self.host(link, link.host, "", "ttl=20"), encoding="ascii")
        beside.replace(self.hosts / f"{link.name}.conf")

    def graceful(self) -> None:
        """Take the changed files.

        Raises:
            BenchmarkError: Apache refused them.
        """
        command = [*self.command()[:3], "-k", "graceful"]
        done = subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ, "LC_ALL": "C"})
        if done.returncode:
            raise BenchmarkError(f"{self.name}: graceful restart failed: {done.stderr.strip()}")

    def publish(self, link: Link) -> None:
        """Write its virtual host and restart gracefully."""
        self.add(link)
        self.graceful()

    def remove(self, link: Link) -> None:
        """Remove its virtual host and restart gracefully."""
        (self.hosts / f"{link.name}.conf").unlink(missing_ok=True)
        self.graceful()
