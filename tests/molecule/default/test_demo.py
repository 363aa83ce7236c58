"""`make demo`, as a stranger types it: a link that opens on this machine, and what to do with it."""

from __future__ import annotations

import json

import httpx

from support import bed
from support.deploy import demo

DEPLOYS = "PLAY RECAP"


def test_the_demo_prints_a_link_that_opens_and_how_to_go_on() -> None:
    printed = demo()
    # The deployment itself is seen in test_wipe.py, where there is a host to be deployed.
    assert DEPLOYS not in printed, "the demo deployed again what had not changed"
    _, name, token = bed.parse(printed)
    with bed.client(f"{name}.{bed.DOMAIN}") as browser:
        assert browser.get("/api/status", params={"token": token}).status_code == httpx.codes.OK
    for advice in ("certutil", str(bed.AUTHORITY), "alice@login", "make demo-down"):
        assert advice in printed
    job = json.loads(bed.link_file("alice", name, "link.json"))["job_id"]
    bed.run("login", f"scancel {job}")
