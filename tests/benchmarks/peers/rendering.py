"""The role's own templates, rendered by Ansible's engine as on a host, with paths of the benchmark's scratch folder."""

from __future__ import annotations

import platform
from pathlib import Path
from typing import Any

import yaml

from peers.certificates import Certificates
from peers.settings import DOMAIN, REPOSITORY
from support import role_templates

ROLE = REPOSITORY / "roles" / "web_proxy"


def render(template: str, **variables: Any) -> str:
    """Return a template of the role for this machine, with these variables in place of the role's defaults."""
    release = platform.freedesktop_os_release()
    facts = {
        "os_family": "Debian",
        "distribution": release.get("NAME", "").split()[0],
        "distribution_version": release.get("VERSION_ID", ""),
    }
    return role_templates.render(ROLE.name, template, ansible_facts=facts, **variables)


def lua_modules(server: str) -> list[str]:
    """Return the templates of the Lua program of one of the role's servers, without their suffix."""
    named = yaml.safe_load((ROLE / "vars" / "main.yml").read_text(encoding="utf-8"))
    modules: list[str] = named["__web_proxy_lua_modules"] + named[f"__web_proxy_{server}_lua_modules"]
    return modules


def variables(folder: Path, port: int, certificates: Certificates) -> dict[str, Any]:
    """Return the role's variables of a web server on the loopback, with the run's certificates and its own routes."""
    return {
        "web_proxy_domain": DOMAIN,
        "web_proxy_https_port": port,
        "web_proxy_http_port": 0,
        "web_proxy_listen_addresses": ["127.0.0.1"],
        "web_proxy_certificate": str(certificates.front.certificate),
        "web_proxy_certificate_key": str(certificates.front.key),
        "web_proxy_registry_socket": str(folder / "registry.sock"),
        "web_proxy_routes_folder": str(folder / "routes"),
        "web_proxy_links_authority": str(certificates.authority),
        "web_proxy_client_certificate": str(certificates.client.certificate),
        "web_proxy_client_certificate_key": str(certificates.client.key),
        # The whole load comes from one address here. Its connections are counted as on a host, but none is refused.
        "web_proxy_address_connections": 8192,
        "web_proxy_link_connections": 8192,
    }
