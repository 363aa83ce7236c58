"""A file of 10 MB down and one of 100 MB up, by curl."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path

from peers.backend import FILE_BYTES
from peers.links import Link
from peers.measures.base import Figures, Subject
from peers.servers.base import BenchmarkError

NAME = "transfers"
UPLOAD_BYTES = 100_000_000
DOWNLOADS = 4
DOWN_AT_ONCE, UP_AT_ONCE = 2, 1


def _curl(subject: Subject, link: Link, path: str, times: int, upload: Path | None) -> subprocess.Popen[str]:
    port = subject.server.port
    url = f"https://{link.host}:{port}{path}"
    command = [
        "curl",
        "--silent",
        "--show-error",
        "--fail",
        "--http1.1",
        "--noproxy",
        "*",
        "--cacert",
        str(subject.authority),
    ]
    command += ["--resolve", f"{link.host}:{port}:127.0.0.1"]
    for _ in range(times):
        command += ["--output", "/dev/null", url]
        if upload:
            command += ["--upload-file", str(upload)]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)


def _run(subject: Subject, path: str, times: int, at_once: int, upload: Path | None) -> tuple[float, float]:
    """Return MB/s and milliseconds of the server's CPU for each MB."""
    begin, before = time.monotonic(), subject.server.cpu_seconds()
    links = [subject.links[number % len(subject.links)] for number in range(at_once)]
    clients = [
        _curl(subject, link, f"{path}{number if upload else ''}", times, upload) for number, link in enumerate(links)
    ]
    for running in clients:
        _, said = running.communicate(timeout=300)
        if running.returncode:
            raise BenchmarkError(f"{subject.server.name}: a transfer of {path} failed: {said.strip()}")
    megabytes = at_once * times * (UPLOAD_BYTES if upload else FILE_BYTES) / 1e6
    used = subject.server.cpu_seconds() - before
    return megabytes / (time.monotonic() - begin), used / megabytes * 1000


def measure(subject: Subject) -> Figures:
    """Return the speeds of both ways."""
    source = subject.scratch / "upload"
    if not source.exists():
        # A sparse file: it takes no memory and is read as zeros.
        with source.open("wb") as file:
            file.truncate(UPLOAD_BYTES)
    down, down_cpu = _run(subject, "/files/large", DOWNLOADS, DOWN_AT_ONCE, None)
    up, up_cpu = _run(subject, "/uploads/file", 1, UP_AT_ONCE, source)
    return {
        "download_mb_per_second": down,
        "download_cpu_ms_per_mb": down_cpu,
        "upload_mb_per_second": up,
        "upload_cpu_ms_per_mb": up_cpu,
    }
