#!/usr/bin/env python3
"""Shows every page that people see at a link, with sample data, in a browser: `make preview`.

Usage: preview_pages.py [--port PORT] [--folder FOLDER]

Without a folder it serves them on this machine's loopback until Ctrl-C, each time rendered anew, and opens a browser if
there is one. With a folder it writes them there as files and ends.
"""

from __future__ import annotations

import argparse
import asyncio
import html
import sys
import time
import webbrowser
from collections.abc import Callable
from contextlib import suppress
from dataclasses import fields, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

SCRIPTS = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(SCRIPTS))

import httpx  # noqa: E402

from lightship_cluster.app_proxy import pages as app_pages  # noqa: E402
from lightship_cluster.config.centre import Centre  # noqa: E402
from lightship_protocol.states import ENDED, JOB_HELD, JOB_QUEUED, JOB_RUNNING, READY, STARTING, WAITING  # noqa: E402
from lightship_registry.core import settings  # noqa: E402
from lightship_registry.core.clock import wall  # noqa: E402
from lightship_registry.core.interfaces import V1  # noqa: E402
from lightship_registry.core.records import Cause, Link  # noqa: E402
from lightship_registry.monitoring.check_report import Report  # noqa: E402
from lightship_registry.monitoring.dashboard import Dashboard  # noqa: E402
from lightship_registry.monitoring.metrics import Metrics  # noqa: E402
from lightship_registry.monitoring.overview import Overview, Overviews  # noqa: E402
from lightship_registry.pages import waiting  # noqa: E402
from lightship_registry.pages.views import View, Views  # noqa: E402
from lightship_registry.store.reading import Count  # noqa: E402
from lightship_registry.store.schema import open_engine  # noqa: E402

PORT = 8099
MINUTE, HOUR = 60, 3600
STATIC = SCRIPTS.parent / "roles" / "web_proxy" / "files"
CENTRE = Centre("Example Computing Centre", "help@example.org", "https://www.example.org/notebooks")
SITE = {
    "domain": "notebooks.example.org",
    "clusters": {"demo": {"networks": ["10.1.0.0/16"]}},
    "message": "Maintenance on Friday from 8:00: notebooks that run into it will end.",
    "centre_name": CENTRE.name,
    "contact": CENTRE.contact,
    "guide_url": CENTRE.guide_url,
}
TAIL = "\n".join(
    [
        "[I 2026-11-21 06:12:44.120 ServerApp] Kernel started: 7c0fa0b2",
        "[W 2026-11-21 06:40:02.511 ServerApp] Kernel is using 3.9 GB of memory, and its job has 4 GB.",
        "slurmstepd: error: Detected 1 oom_kill event in StepId=4712.batch.",
        "slurmstepd: error: task_p_post_term: rank 0 killed",
    ]
)

Pages = dict[str, str]


def sample(now: float) -> Link:
    """A link that waits for its job."""
    empty: dict[str, Any] = {field.name: "" if field.type == "str" else 0 for field in fields(Link)}
    said = {"title": "Protein folding, run 7", "command": "start-jupyter -p gpu -A abc123 -t 4:00:00"}
    who = {"name": "copper-lantern-meadow", "cluster": "demo", "user": "alice", "state": WAITING, "api": V1.name}
    job = {
        "job_id": "4712",
        "job_state": JOB_QUEUED,
        "job_reason": "All nodes are busy",
        "job_start": now + 25 * MINUTE,
    }
    times = {"created_at": now - 4 * HOUR, "ended_at": now - 5 * MINUTE, "seconds": 4 * HOUR, "job_seen_at": now}
    ends = {"expires_at": now + 2 * HOUR, "lease_until": now + MINUTE}
    return Link(**{**empty, **said, **who, **job, **times, **ends})


def pages(now: float) -> Pages:
    """Every page by the name of its file."""
    site = settings.parse(SITE)
    views, link = Views(site), sample(now)
    runs = replace(link, state=READY, ready_at=now - 2 * HOUR, node="node17", partition="gpu", folder="/home/alice/p53")
    ended = replace(link, state=ENDED, ready_at=now - 2 * HOUR, job_state=JOB_RUNNING, node="node17")
    shown: dict[str, View] = {
        "landing": views.landing,
        "waiting": views.room(link, now),
        "waiting-held": views.room(replace(link, job_state=JOB_HELD, job_reason="Held by the user"), now),
        "starting": views.room(replace(link, state=STARTING, job_state=JOB_RUNNING), now),
        "almost-there": views.room(runs, now),
        "out-of-reach": views.room(replace(runs, lease_until=now - HOUR), now),
        "waiting-for-strangers": views.stranger(link, waiting.plain(link)),
        "running": views.running(runs, now),
        "running-ends-soon": views.running(replace(runs, expires_at=now + 4 * MINUTE), now),
        "running-program": views.running(replace(runs, subject="program", title="Dash"), now),
        "needs-token": views.needs_token("/lab", wrong=False),
        "needs-token-wrong": views.needs_token("/lab", wrong=True),
        "open": views.open(runs, "/lab"),
        "gone": views.gone,
        "trouble": views.trouble,
        **{f"ended-{cause}": views.ended(replace(ended, cause=cause, tail=TAIL), now) for cause in Cause},
        "ended-by-command": views.ended(
            replace(ended, cause=Cause.CANCELLED, reason="Stopped with start-jupyter stop."), now
        ),
        "ended-in-the-queue": views.ended(
            replace(link, state=ENDED, cause=Cause.CANCELLED, reason="Cancelled on its page."), now
        ),
        "ended-program": views.ended(replace(ended, cause=Cause.STOPPED, subject="program"), now),
    }
    texts = {name: view.text for name, view in shown.items()}
    return {**texts, **web_server_pages(), **program_pages(), "dashboard": dashboard(site, now)}


def web_server_pages() -> Pages:
    """Those that nginx has at hand: one frame, and what each says in it."""
    texts = {file.stem: file.read_text("utf-8") for file in sorted(STATIC.glob("*.html"))}
    return {f"web-server-{name}": app_pages.frame(name, text, CENTRE) for name, text in texts.items()}


def program_pages() -> Pages:
    """Those before a program of --app."""
    refusals = [each for each in vars(app_pages).values() if isinstance(each, app_pages.Refusal)]
    return {f"program-{each.status[:3]}-{i}": app_pages.refusal_page(each, CENTRE) for i, each in enumerate(refusals)}


def dashboard(site: settings.Settings, now: float) -> str:
    """The administrators' page."""
    counts = {
        ("demo", WAITING): Count(3, now - HOUR),
        ("demo", STARTING): Count(1, 0.0),
        ("demo", READY): Count(27, 0.0),
    }

    class Sample(Overviews):
        def read(self) -> Overview:
            return Overview(now, counts, {"links.crt": 3200.0, "proxy.crt": 3200.0, "client.crt": 41.0}, 12, Report())

    metrics = Metrics(wall)
    metrics.refused("claim", "refused", "demo")
    application = Dashboard(Sample(site, open_engine(site.store), lambda: 0, wall), metrics, ["demo"])

    async def ask() -> str:
        transport = httpx.ASGITransport(application)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            return (await client.get("/")).text

    return asyncio.run(ask())


def index(names: list[str]) -> str:
    """The page that leads to the others."""
    rows = "".join(f'<li><a href="{html.escape(name)}.html">{html.escape(name)}</a></li>' for name in names)
    style = "body { font: 1rem/1.8 system-ui, sans-serif; margin: 2rem } ul { columns: 16rem }"
    head = '<meta charset="utf-8"><meta name="color-scheme" content="light dark"><title>Pages</title>'
    body = f"<h1>Every page, with sample data</h1><ul>{rows}</ul>"
    return f"<!doctype html><html lang=en>{head}<style>{style}</style>{body}</html>\n"


class Preview(BaseHTTPRequestHandler):
    """Serves the index and the pages; paths that the pages themselves ask for are none: they stay as they are."""

    def do_GET(self) -> None:
        """Answer."""
        name = self.path.partition("?")[0].strip("/").removesuffix(".html")
        found = pages(time.time())
        text = found.get(name) if name else index(list(found))
        body = (text or "There is no such page.\n").encode()
        self.send_response(200 if text else 502)
        self.send_header("Content-Type", "text/html; charset=utf-8" if text else "text/plain")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing of each request."""


def main(argv: list[str] | None = None, show: Callable[[str], object] = webbrowser.open) -> int:
    """Write or serve."""
    parser = argparse.ArgumentParser(description="Every page with sample data.")
    parser.add_argument("--port", type=int, default=PORT, help=f"on 127.0.0.1; {PORT} unless given")
    parser.add_argument("--folder", type=Path, help="write the pages there and end")
    arguments = parser.parse_args(argv)
    if arguments.folder:
        arguments.folder.mkdir(parents=True, exist_ok=True)
        found = pages(time.time())
        for name, text in {**found, "index": index(list(found))}.items():
            (arguments.folder / f"{name}.html").write_text(text, "utf-8")
        return 0
    with ThreadingHTTPServer(("127.0.0.1", arguments.port), Preview) as server:
        address = f"http://127.0.0.1:{server.server_port}/"
        print(f"Every page is at {address}, until Ctrl-C.", flush=True)
        show(address)
        with suppress(KeyboardInterrupt):
            server.serve_forever()
    return 0


if __name__ == "__main__":
    sys.exit(main())
