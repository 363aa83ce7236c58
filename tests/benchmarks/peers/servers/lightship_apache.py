"""Lightship with Apache: the role's own templates and Lua files."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence

from peers.links import Link
from peers.rendering import ROLE, lua_modules, render, variables
from peers.servers.base import Server, said
from peers.servers.route_files import RouteFiles


class LightshipApache(Server):
    """What `site.yml` installs with `web_proxy_server: apache`; paths, port and two limits differ."""

    name = "lightship-apache"
    settings = (
        "the role's templates as they are, one process; limits of connections of one address raised, as all load is "
        "from one; Apache keeps no connection to an address that it learns with a request, so each is a TLS handshake"
    )

    def configure(self, links: Sequence[Link]) -> None:
        """Render the role's files into the scratch folder."""
        folders = {name: self.folder / name for name in ("lua", "log", "run")}
        for folder in folders.values():
            folder.mkdir()
        values = {
            **variables(self.folder, self.port, self.certificates),
            "__web_proxy_apache_logs": str(folders["log"]),
            "__web_proxy_apache_run": str(folders["run"]),
            "__web_proxy_apache_lua_folder": str(folders["lua"]),
            "__web_proxy_apache_sites": "no-other-sites/*.conf",
        }
        self.routes_folder = RouteFiles(self.folder / "routes")
        self.routes_folder.write_all(links)
        for module in lua_modules("apache"):
            name = module.rpartition("/")[2]
            (folders["lua"] / f"{name}.lua").write_text(render(f"{module}.lua.j2", **values), encoding="utf-8")
        client, pair = self.certificates.client, folders["run"] / "lightship-client.pem"
        subprocess.run(["sh", ROLE / "files/apache-client-pair", client.certificate, client.key, pair], check=True)
        text = render("apache/lightship.conf.j2", **values)
        (self.folder / "lightship.conf").write_text(text, encoding="utf-8")

    def command(self) -> list[str]:
        """Return Apache in the foreground."""
        return ["apache2", "-DFOREGROUND", "-f", str(self.folder / "lightship.conf")]

    def publish(self, link: Link) -> None:
        """Write its route."""
        self.routes_folder.publish(link)

    def remove(self, link: Link) -> None:
        """Remove its route."""
        self.routes_folder.remove(link)

    def version(self) -> str:
        """Return Apache's version."""
        return said("apache2", "-v").splitlines()[0].removeprefix("Server version: ")
