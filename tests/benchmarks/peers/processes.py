"""CPU time and memory of a server's process tree, from /proc."""

from __future__ import annotations

import os
import re
from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK")
PROC = Path("/proc")


def _stat(pid: int) -> list[str]:
    """Return the fields of /proc/PID/stat after the program's name, which may hold spaces; empty if it has ended."""
    try:
        return (PROC / str(pid) / "stat").read_text(encoding="utf-8").rpartition(") ")[2].split()
    except OSError:
        return []


def tree(pids: list[int]) -> list[int]:
    """Return these processes and all their descendants."""
    children: dict[int, list[int]] = {}
    for entry in PROC.iterdir():
        if entry.name.isdigit() and (fields := _stat(int(entry.name))):
            children.setdefault(int(fields[1]), []).append(int(entry.name))
    found = list(pids)
    for pid in found:
        found += children.get(pid, [])
    return found


def cpu_seconds(pids: list[int]) -> float:
    """Return user and system time that a tree has used, with that of its children that ended and were waited for."""
    used = 0
    for pid in tree(pids):
        if fields := _stat(pid):
            used += sum(int(field) for field in fields[11:15])
    return used / TICKS


def memory_bytes(pids: list[int]) -> int:
    """Return a tree's proportional set size: shared pages count once, however many processes map them."""
    total = 0
    for pid in tree(pids):
        try:
            text = (PROC / str(pid) / "smaps_rollup").read_text(encoding="utf-8")
        except OSError:
            continue
        found = re.search(r"^Pss:\s+(\d+)", text, re.MULTILINE)
        total += int(found[1]) * 1024 if found else 0
    return total
