"""`make demo`, as a stranger types it: a link that opens on this machine, and what to do with it."""

from __future__ import annotations

import json
import subprocess

import httpx

from support import bed


def demo() -> str:
    """Run the demo on the bed that is up, and return what it printed."""
    done = subprocess.run(
        ["make", "--no-print-directory", "demo"],
        cwd=bed.REPOSITORY,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=400,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.replace("\r\n", "\n")


def test_the_demo_prints_a_link_that_opens_and_how_to_go_on() -> None:
    printed = demo()
    _, name, token = bed.parse(printed)
    with bed.client(f"{name}.{bed.DOMAIN}") as browser:
        assert browser.get("/api/status", params={"token": token}).status_code == httpx.codes.OK
    for advice in ("certutil", str(bed.AUTHORITY), "alice@login", "make demo-down"):
        assert advice in printed
    again = demo()
    assert "PLAY RECAP" not in again, "a second demo deployed the service again"
    for printed_name in (name, bed.parse(again)[1]):
        job = json.loads(bed.link_file("alice", printed_name, "link.json"))["job_id"]
        bed.run("login", f"scancel {job}")
