"""The doctor's checks of the host, as root: kernel, systemd, clock, socket, disks."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

from lightship_registry.admin.checks import SECONDS, Finding, ok, output, warning, wrong
from lightship_registry.core.settings import Settings
from lightship_registry.links.connection_killer import cut

UNITS = ("lightship-registry.socket", "lightship-registry.service", "lightship-cut.path")
NEW_HOST_KEYS = Path("/etc/ssh/sshd_config.d/05-lightship-host-keys.conf")
MEGABYTE = 1024 * 1024
LOW, LOWEST = 500 * MEGABYTE, 50 * MEGABYTE
LOW_RUN, LOWEST_RUN = 20 * MEGABYTE, 2 * MEGABYTE


def kernel_can_cut() -> Iterator[Finding]:
    """Check that connections can be cut: open one to this host, and cut it as those of ended links are cut."""
    said = "open connections of ended links can be cut"
    remedy = "Install iproute2, and a kernel with CONFIG_INET_DIAG_DESTROY; until then WebSockets outlive their links."
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port), timeout=SECONDS):
            try:
                left = cut([f"127.0.0.1:{port}"])
            except (OSError, subprocess.SubprocessError) as error:
                yield wrong(f"ss cannot be run: {error}", remedy)
                return
            yield ok(said) if not left else wrong("open connections of ended links cannot be cut", remedy)


def units() -> Iterator[Finding]:
    """Check that the units run, and that the last cut did not fail."""
    for unit in UNITS:
        state = output(["systemctl", "is-active", unit])
        remedy = f"journalctl -u {unit}; systemctl restart {unit}"
        yield ok(f"{unit} is active") if state == "active" else wrong(f"{unit} is {state or 'unknown'}", remedy)
    if output(["systemctl", "is-failed", "lightship-cut.service"]) == "failed":
        yield warning("lightship-cut.service failed the last time", "journalctl -u lightship-cut says why.")


def host_keys() -> Iterator[Finding]:
    """Check that no replacement of sshd's host keys waits for its end; the playbook keeps a drop-in until then."""
    if NEW_HOST_KEYS.exists():
        remedy = "ansible-playbook rotate_certificates.yml -e lightship_rotate=ssh-host-keys -e lightship_finish=true"
        yield warning("sshd still has its old host keys beside new ones", remedy)


def clock() -> Iterator[Finding]:
    """Check that the kernel or chrony reports a synchronised clock; `agents` compares those of login nodes."""
    remedy = "Set the clock by NTP, e.g. with chrony or systemd-timesyncd: login nodes with another time are refused."
    if output(["timedatectl", "show", "--property=NTPSynchronized", "--value"]) == "yes":
        yield ok("the clock is synchronised")
    elif "Leap status     : Normal" in output(["chronyc", "-n", "tracking"]):
        yield ok("the clock is synchronised by chrony")
    else:
        yield warning("neither the kernel nor chrony says that the clock is synchronised", remedy)


def answers(path: Path) -> Iterator[Finding]:
    """Check that the service answers on its socket."""
    remedy = "systemctl status lightship-registry.service lightship-registry.socket"
    try:
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(SECONDS)
            client.connect(str(path))
            client.sendall(b"GET / HTTP/1.1\r\nHost: doctor.invalid\r\nConnection: close\r\n\r\n")
            answer = client.recv(64)
    except OSError as error:
        yield wrong(f"the service does not answer on {path}: {error}", remedy)
        return
    said = answer.startswith(b"HTTP/1.1 404")
    yield ok("the service answers") if said else wrong(f"the service gives an unexpected answer: {answer!r}", remedy)


def openers(store: Path) -> Iterator[Finding]:
    """Find other programs that have the store open: they can keep it locked."""
    service = output(["systemctl", "show", "--property=MainPID", "--value", UNITS[1]])
    others = [process for process in _with_open(store) if process.name not in (service, str(os.getpid()))]
    for process in others:
        name = (process / "comm").read_text("utf-8", "replace").strip()
        said = f"process {process.name} ({name}) has the store open, and can keep it locked"
        yield warning(said, f"End it when it should not: kill {process.name}")
    if not others:
        yield ok("no other program has the store open")


def _with_open(store: Path) -> Iterator[Path]:
    try:
        wanted = store.stat()
    except OSError:
        return  # without the file, no program has it open
    for process in Path("/proc").glob("[1-9]*"):
        # Processes and their files may disappear meanwhile.
        with contextlib.suppress(OSError):
            if any(_is(file, wanted) for file in (process / "fd").iterdir()):
                yield process


def _is(file: Path, wanted: os.stat_result) -> bool:
    try:
        return os.path.samestat(file.stat(), wanted)
    except OSError:
        return False


def space(settings: Settings) -> Iterator[Finding]:
    """Check the free space: on a full disk no state can be written."""
    folders = settings.folders
    for folder, low, lowest in ((folders.state_dir, LOW, LOWEST), (folders.routes_dir, LOW_RUN, LOWEST_RUN)):
        try:
            free = shutil.disk_usage(folder).free
        except OSError as error:
            yield wrong(f"{folder}: {error.strerror}", "Run site.yml.")
            continue
        said = f"{free // MEGABYTE} MB are free for {folder}"
        level = wrong if free < lowest else warning
        yield ok(said) if free >= low else level(said, f"Make room: df {folder}")
