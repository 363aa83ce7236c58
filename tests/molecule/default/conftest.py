"""Builds the runtimes' images in the background, and changes the web server for tests that want each."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest

from support import bed, deploy
from support.container_images import BUILD, IMAGES, build


@pytest.fixture(scope="session", autouse=True)
def images_to_come(request: pytest.FixtureRequest) -> Iterator[list[Future[None]]]:
    """Have the images of the container runtimes built, if a test wants them."""
    wanted = any("images" in getattr(item, "fixturenames", ()) for item in request.session.items)
    with ThreadPoolExecutor(1) as pool:
        yield [pool.submit(build, runtime) for runtime in BUILD] if wanted else []


@pytest.fixture(scope="session")
def images(images_to_come: list[Future[None]]) -> dict[str, str]:
    """Return where each runtime finds its image."""
    for each in images_to_come:
        each.result()
    return IMAGES


def served_by() -> str:
    """Return the name that the web server gives itself."""
    with bed.client(f"nobody-made-this.{bed.DOMAIN}") as browser:
        return browser.get("/.lightship/forget-cookies").headers["Server"].lower()


@pytest.fixture(scope="module", params=["nginx", "apache"])
def web_server(request: pytest.FixtureRequest) -> Iterator[str]:
    """Serve with each web server in turn. One run of a playbook changes from one to the other."""
    wanted: str = request.param
    if wanted == "apache":
        deploy.playbook(Path("site.yml"), "-e", "web_proxy_server=apache")
    assert served_by() == wanted
    yield wanted
    if wanted == "apache":
        deploy.playbook(Path("proxy.yml"))
        assert served_by() == "nginx"


@pytest.fixture(scope="module")
def working() -> Iterator[bed.Notebook]:
    """Return the notebook of somebody who works through all of a module's tests."""
    started = bed.start("alice", "-t 30")
    yield started
    bed.stop(started)
