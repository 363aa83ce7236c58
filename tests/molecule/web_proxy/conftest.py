"""The proxy under test, its authorities, and a folder of routes that only the tests write to."""

from __future__ import annotations

import resource
import ssl
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from testinfra.host import Host

from support.bed import AUTHORITY
from support.fake_notebook import ROUTES, Authority, Browser, Handler, Notebook, Route, Start, reply
from support.host_shell import Shell
from support.proxy_host import DOMAIN, HOST

AUTHORITIES = "/var/lib/lightship/authorities"
# Where tests marked `once` are left out. The whole service is tested with Debian 12's nginx in scenario default.
OLDER = "proxy12"


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out on the older release what was tried on the other."""
    if HOST != OLDER:
        return
    left_out = [item for item in items if item.get_closest_marker("once")]
    config.hook.pytest_deselected(items=left_out)
    items[:] = [item for item in items if item not in left_out]


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
def allow_files() -> Iterator[Callable[[int], None]]:
    """Let the tests' process open this many files until the test ends; skip the test where the machine forbids it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)

    def allow(count: int) -> None:
        # Only the machine's administrator can give more than the hard limit.
        if hard < count:
            pytest.skip(f"this machine lets no process open {count} files")
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, count), hard))

    yield allow
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.fixture(scope="module")
def shell(host: Host) -> Iterator[Shell]:
    """A shell on the host."""
    with Shell(host) as opened:
        yield opened


@pytest.fixture
def route(shell: Shell) -> Iterator[Route]:
    """Write a link's route file as the registry does, or remove it when there is no text."""

    def write(name: str, text: str) -> None:
        if text:
            shell.run(f"printf '{text}' > {ROUTES}/.{name} && mv {ROUTES}/.{name} {ROUTES}/{name}")
        else:
            shell.run(f"rm {ROUTES}/{name}")

    shell.run(f"install -d -m 2750 -g www-data {ROUTES}")
    yield write
    shell.run(f"rm -rf {ROUTES}")


@pytest.fixture
def start(links: Authority, client_authority: Path, tmp_path: Path, route: Route) -> Iterator[Start]:
    """Start a notebook of a link and write its route."""
    running = []

    def begin(
        name: str, handler: Handler = reply, certificate: Path | None = None, kind: type[Notebook] = Notebook
    ) -> Notebook:
        certificate = certificate or links.issue(tmp_path, f"{name}.{DOMAIN}")
        server = kind(certificate, client_authority, handler)
        context = server.listening()
        context.__enter__()
        running.append(context)
        route(name, f"{server.route}\\n")
        return server

    yield begin
    for context in running:
        context.__exit__(None, None, None)
