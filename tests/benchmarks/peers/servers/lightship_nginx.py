"""Lightship with nginx: the role's own templates and Lua files."""

from __future__ import annotations

from collections.abc import Sequence

from peers.links import Link
from peers.rendering import lua_modules, render, variables
from peers.servers.base import Server, said
from peers.servers.route_files import RouteFiles


class LightshipNginx(Server):
    """What `site.yml` installs, with its checks, limits and logs; paths, port and two limits differ."""

    name = "lightship-nginx"
    settings = (
        "the role's templates as they are; limits of connections of one address raised, for all load comes from one; "
        "routes on tmpfs as on a host"
    )

    def configure(self, links: Sequence[Link]) -> None:
        """Render the role's files into the scratch folder."""
        values = variables(self.folder, self.port, self.certificates)
        self.routes_folder = RouteFiles(self.folder / "routes")
        self.routes_folder.write_all(links)
        lua = self.folder / "lua"
        lua.mkdir()
        for module in lua_modules("nginx"):
            name = module.rpartition("/")[2]
            (lua / f"{name}.lua").write_text(render(f"{module}.lua.j2", **values), encoding="utf-8")
        (self.folder / "conf.d").mkdir()
        (self.folder / "log").mkdir()
        site = render("nginx/site.conf.j2", **values).replace("/var/log/nginx", f"{self.folder}/log")
        (self.folder / "conf.d" / "lightship.conf").write_text(site, encoding="utf-8")
        main = render("nginx/main.conf.j2", **values)
        for before, after in (
            ("/etc/nginx/conf.d/", f"{self.folder}/conf.d/"),
            ("    include /etc/nginx/sites-enabled/*;\n", ""),
            ("/run/nginx.pid", f"{self.folder}/nginx.pid"),
            ("/var/log/nginx", f"{self.folder}/log"),
            # One client of the benchmark sends more requests over a connection than a browser does.
            ("http {\n", f'http {{\n    lua_package_path "{lua}/?.lua;;";\n    keepalive_requests 1000000;\n'),
        ):
            if before not in main:
                raise ValueError(f"The role's nginx/main.conf.j2 no longer has {before!r}; adapt {__file__}.")
            main = main.replace(before, after)
        (self.folder / "nginx.conf").write_text(f"daemon off;\n{main}", encoding="utf-8")

    def command(self) -> list[str]:
        """Return nginx in the foreground."""
        return ["nginx", "-c", str(self.folder / "nginx.conf")]

    def publish(self, link: Link) -> None:
        """Write its route."""
        self.routes_folder.publish(link)

    def remove(self, link: Link) -> None:
        """Remove its route."""
        self.routes_folder.remove(link)

    def version(self) -> str:
        """Return nginx's version."""
        return said("nginx", "-v").removeprefix("nginx version: ")
