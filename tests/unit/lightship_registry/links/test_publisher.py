from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

import pytest

from lightship_registry.core.errors import RegistryError
from lightship_registry.core.records import Cause, Ending
from unit.lightship_registry.world import NODE, World, both_databases, notebook

pytestmark = both_databases


def test_link_that_ends_during_its_probe_gets_no_route(world: World) -> None:
    made = world.create()
    world.claim(made)
    link = world.links.of_secret(made["name"], made["secret"])
    world.links.end(link, Ending(Cause.CANCELLED, "cancelled"))
    with pytest.raises(RegistryError) as caught:
        world.publisher.publish(link, "10.0.0.1:4000")
    assert caught.value.code == "ended"
    assert world.routes == {}


def test_route_that_cannot_be_written_is_tried_again(world: World, ready: dict[str, Any]) -> None:
    folder = world.settings.folders.routes_dir
    (target,) = world.routes.values()
    (folder / ready["name"]).unlink()
    folder.rmdir()
    link = world.links.of_secret(ready["name"], ready["secret"])
    with pytest.raises(FileNotFoundError):
        world.publisher.publish(link, target.removeprefix("https://").strip())
    folder.mkdir()
    world.reconciler.reconcile(spare_silent=False)
    assert world.routes == {ready["name"]: target}


def test_connection_kept_by_the_first_owner_keeps_the_target(world: World, tmp_path: Path) -> None:
    (tmp_path / "bob").mkdir()
    first, second = world.create(), world.create("bob")
    with notebook(world.claim(first).server_context(tmp_path)) as port:
        world.job(first, "target", {"port": port})
        # As the web server's, for a request that does not end; the listener goes, the connection stays.
        kept = socket.create_connection((NODE, port))
    world.job(first, "end")
    world.clock.now += 100
    with kept, notebook(world.claim(second).server_context(tmp_path / "bob"), port=port):
        answer = world.job(second, "target", {"port": port})
        assert (answer.status_code, answer.json()["code"]) == (409, "target-taken")
        kept.close()
        assert world.job(second, "target", {"port": port}).status_code == 200
