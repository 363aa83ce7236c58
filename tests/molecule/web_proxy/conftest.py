"""The proxy under test, its authorities, and a folder of routes that only the tests write to."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest
from testinfra.host import Host

from support.bed import AUTHORITY
from support.fake_notebook import DOMAIN, ROUTES, Authority, Browser, Handler, Notebook, Route, Start, reply

AUTHORITIES = "/var/lib/lightship/authorities"


@pytest.fixture(scope="module")
def links(host: Host) -> Authority:
    """The registry's authority for links."""
    return Authority.load(*(host.check_output(f"cat {AUTHORITIES}/links.{kind}") for kind in ("crt", "key")))


@pytest.fixture(scope="module")
def client_authority(host: Host, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The certificate of the authority that signed what the proxy shows to notebooks."""
    path = tmp_path_factory.mktemp("authorities") / "proxy.crt"
    path.write_text(host.check_output(f"cat {AUTHORITIES}/proxy.crt"))
    return path


@pytest.fixture(scope="module")
def browser() -> Browser:
    """A browser that trusts the bed's public authority."""
    return Browser(ssl.create_default_context(cafile=str(AUTHORITY)))


@pytest.fixture
def route(host: Host) -> Iterator[Route]:
    """Write a link's route file as the registry does, or remove it when there is no text."""

    def write(name: str, text: str) -> None:
        if text:
            host.check_output(f"printf '{text}' > {ROUTES}/.tmp && mv {ROUTES}/.tmp {ROUTES}/{name}")
        else:
            host.check_output(f"rm {ROUTES}/{name}")

    host.check_output(f"install -d -m 2750 -g www-data {ROUTES}")
    yield write
    host.check_output(f"rm -rf {ROUTES}")


@pytest.fixture
def start(links: Authority, client_authority: Path, tmp_path: Path, route: Route) -> Iterator[Start]:
    """Start a notebook of a link and write its route."""
    running = []

    def begin(name: str, handler: Handler = reply, certificate: Path | None = None) -> Notebook:
        certificate = certificate or links.issue(tmp_path, f"{name}.{DOMAIN}")
        server = Notebook(certificate, client_authority, handler)
        context = server.listening()
        context.__enter__()
        running.append(context)
        route(name, f"{server.route}\\n")
        return server

    yield begin
    for context in running:
        context.__exit__(None, None, None)
