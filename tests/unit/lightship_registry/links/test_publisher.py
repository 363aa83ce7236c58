from __future__ import annotations

import socket
import struct
from pathlib import Path
from typing import Any

import pytest

from lightship_registry.core.errors import RegistryError
from lightship_registry.core.records import Cause, Ending
from unit.lightship_registry.testbed import NODE, Testbed, both_databases, notebook

pytestmark = both_databases


def test_link_that_ends_during_its_probe_gets_no_route(testbed: Testbed) -> None:
    made = testbed.create()
    testbed.claim(made)
    link = testbed.links.of_secret(made["name"], made["secret"])
    testbed.links.end(link, Ending(Cause.CANCELLED, "cancelled"))
    with pytest.raises(RegistryError) as caught:
        testbed.publisher.publish(link, "10.0.0.1:4000")
    assert caught.value.code == "ended"
    assert testbed.routes == {}


def test_route_that_cannot_be_written_is_tried_again(testbed: Testbed, ready: dict[str, Any]) -> None:
    folder = testbed.settings.folders.routes_dir
    (target,) = testbed.routes.values()
    (folder / ready["name"]).unlink()
    folder.rmdir()
    link = testbed.links.of_secret(ready["name"], ready["secret"])
    with pytest.raises(FileNotFoundError):
        testbed.publisher.publish(link, target.removeprefix("https://").strip())
    folder.mkdir()
    testbed.reconciler.reconcile(spare_silent=False)
    assert testbed.routes == {ready["name"]: target}


def test_connection_kept_by_the_first_owner_keeps_the_target(testbed: Testbed, tmp_path: Path) -> None:
    (tmp_path / "bob").mkdir()
    first, second = testbed.create(), testbed.create("bob")
    with notebook(testbed.claim(first).server_context(tmp_path)) as port:
        testbed.job(first, "target", {"port": port})
        # As the web server's, for a request that does not end; the listener goes, the connection stays.
        kept = socket.create_connection((NODE, port))
    testbed.job(first, "end")
    testbed.clock.now += 100
    with kept, notebook(testbed.claim(second).server_context(tmp_path / "bob"), port=port):
        answer = testbed.job(second, "target", {"port": port})
        assert (answer.status_code, answer.json()["code"]) == (409, "target-taken")
        # Reset: else the kernel has the connection until the notebook's thread has closed the other end.
        kept.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        kept.close()
        assert testbed.job(second, "target", {"port": port}).status_code == 200
