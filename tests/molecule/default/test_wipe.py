"""The proxy host is lost: a new one, the playbooks and a backup bring back what there was, and nothing more.

The last of this folder: it replaces the host that the others use.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from support import bed
from support.deploy import bed_script, demo, playbook

# The demo alone must not take longer than all of it may, from the loss of the host to the end of the restore.
SECONDS = 900
# For the test that comes first: it waits for all of that.
pytestmark = pytest.mark.timeout(2 * SECONDS)
CREATE = bed.REPOSITORY / "tests" / "molecule" / "default" / "create.yml"


@dataclass(frozen=True)
class Survivors:
    """What was there when the host was lost."""

    working: bed.Notebook
    ended: bed.Notebook
    newer: bed.Notebook


@pytest.fixture(scope="module")
def survivors(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Survivors]:
    """Lose the host with a notebook on it that a backup knows, one that it does not, and bring it back."""
    folder = tmp_path_factory.mktemp("backups")
    working, ended = bed.start("alice", "-t 30"), bed.start("bob")
    bed.stop(ended)
    playbook(Path("backup.yml"), "-e", f"lightship_backup_folder={folder}")
    newer = bed.start("mallory")

    lost = time.monotonic()
    bed.remove("proxy")
    playbook(CREATE, "--limit=proxy")
    bed_script("mark")
    # The demo deploys with site.yml what is not deployed, and starts a notebook.
    (bed.STATE / "deployed").unlink()
    printed = demo(SECONDS)
    assert "PLAY RECAP" in printed
    bed_script("deployed")
    lost_again = bed.notebook("alice", printed)
    assert bed.answers(lost_again)
    (backup,) = folder.iterdir()
    playbook(Path("restore.yml"), "-e", f"lightship_backup_file={backup}")
    print(f"From the loss of the host to the end of the restore: {time.monotonic() - lost:.0f} s")
    # The backup does not know it.
    bed.run("login", f"scancel {lost_again.job}")
    yield Survivors(working, ended, newer)
    bed.stop(working)


def test_a_notebook_that_ran_on_is_at_its_old_address_again(survivors: Survivors) -> None:
    working = survivors.working
    bed.eventually(
        lambda: bed.status_of(working.name) == httpx.codes.OK, "a notebook did not come back with its next heartbeat"
    )
    with bed.client(f"{working.name}.{bed.DOMAIN}") as browser:
        assert browser.get("/api/contents").status_code == httpx.codes.FORBIDDEN
        own = browser.get("/api/contents", params={"token": working.token})
        assert own.status_code == httpx.codes.OK
        assert (
            browser.get("/api/contents", params={"token": survivors.newer.token}).status_code == httpx.codes.FORBIDDEN
        )


def test_what_was_over_stays_over_and_what_nobody_knows_is_closed(survivors: Survivors) -> None:
    newer = survivors.newer
    assert bed.status_of(survivors.ended.name) == httpx.codes.NOT_FOUND
    assert bed.record(survivors.ended.name)["state"] == "ended"
    assert bed.status_of(newer.name) == httpx.codes.NOT_FOUND
    with bed.client(f"{newer.name}.{bed.DOMAIN}") as browser:
        assert browser.get("/lab", params={"token": newer.token}).status_code == httpx.codes.NOT_FOUND
    bed.run("login", f"scancel {newer.job}")


def test_no_link_is_anybody_elses(survivors: Survivors) -> None:
    name = survivors.working.name
    foreign = bed.agent("mallory", op="status", name=name)
    assert foreign == bed.agent("mallory", op="status", name="nobody-made-this")
    with bed.client() as registry:
        answers = [
            registry.post(f"/v1/links/{name}/{action}", json={}, headers={"Authorization": f"Bearer {'0' * 64}"})
            for action in ("claim", "target", "heartbeat", "end")
        ]
    assert {answer.status_code for answer in answers} == {httpx.codes.FORBIDDEN}
    assert bed.record(name)["user"] == "alice"


def test_the_new_host_is_whole(survivors: Survivors) -> None:
    found = bed.run("proxy", "lightship doctor --json").stdout
    assert not [line for line in json.loads(found) if line["level"] == "wrong"]
    fresh = bed.start("bob")
    assert bed.status_of(fresh.name) == httpx.codes.OK
    assert fresh.name not in {survivors.working.name, survivors.ended.name, survivors.newer.name}
    bed.stop(fresh)
