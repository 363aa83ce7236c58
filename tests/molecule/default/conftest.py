"""Builds the runtimes' images in the background while other tests run."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

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
