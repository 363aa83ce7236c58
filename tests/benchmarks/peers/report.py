"""Write the tables of tests/benchmarks/README.md and its charts from the raw results.

Usage: report.py, after `make bench-peers`, which runs it by itself.
"""

from __future__ import annotations

import json
import statistics
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from peers import chart, settings
from peers.servers.every import EVERY

README = settings.BENCHMARKS / "README.md"
BEGIN, END = "<!-- peers: written by report.py -->", "<!-- peers: end -->"


@dataclass(frozen=True)
class Column:
    """A figure: its key in the raw results, and the head of its column."""

    key: str
    head: str


@dataclass(frozen=True)
class Table:
    """A table for each number of links, and the command that measures it."""

    title: str
    measures: str
    columns: tuple[Column, ...]


TABLES = (
    Table(
        "Small requests",
        "requests first_requests",
        (
            Column("cpu_us_per_request", "CPU a request, us"),
            Column("requests_per_second", "requests/s"),
            Column("p50_ms", "p50, ms"),
            Column("p99_ms", "p99, ms"),
            Column("cpu_us_per_first_request", "CPU of a first request, us"),
        ),
    ),
    Table(
        "Files and WebSockets",
        "transfers websockets",
        (
            Column("download_mb_per_second", "10 MB down, MB/s"),
            Column("download_cpu_ms_per_mb", "CPU, ms/MB"),
            Column("upload_mb_per_second", "100 MB up, MB/s"),
            Column("upload_cpu_ms_per_mb", "CPU, ms/MB"),
            Column("websocket_cpu_us_per_message", "echo: CPU, us"),
            Column("websocket_p50_ms", "echo: p50, ms"),
            Column("websocket_p99_ms", "echo: p99, ms"),
            Column("websocket_idle_kb", "idle WebSocket, kB"),
        ),
    ),
    Table(
        "Links that come and go",
        "activation churn",
        (
            Column("start_seconds", "start, s"),
            Column("memory_mb", "memory, MB"),
            Column("activation_p50_ms", "to the first answer, ms"),
            Column("activation_cpu_ms_per_link", "CPU a link, ms"),
            Column("churn_links_per_second", "links/s reached of 100"),
            Column("churn_failed", "failed requests"),
            Column("churn_p99_ms", "p99 meanwhile, ms"),
        ),
    ),
)
CHARTS = (
    ("cpu_us_per_request", "peers-request-cpu", "CPU of a small request, microseconds (less is better)"),
    (
        "requests_per_second",
        "peers-requests",
        "Small requests a second, clients and notebooks on the same cores (more is better)",
    ),
    (
        "websocket_cpu_us_per_message",
        "peers-websocket-cpu",
        "CPU of a WebSocket message and its echo, microseconds (less is better)",
    ),
    ("websocket_idle_kb", "peers-websocket-memory", "Memory of an idle WebSocket, kB (less is better)"),
    (
        "activation_p50_ms",
        "peers-activation",
        "From publishing a link to its first answer, milliseconds (less is better)",
    ),
)

Document = dict[str, Any]


def documents() -> list[Document]:
    """Return the raw results, by number of links."""
    found = [json.loads(path.read_text(encoding="utf-8")) for path in settings.RESULTS.glob("peers-*.json")]
    return sorted(found, key=lambda document: int(document["links"]))


def values(document: Document, server: str, key: str) -> list[float]:
    """Return a figure's values of all rounds."""
    found: list[float] = document["figures"].get(server, {}).get(key, [])
    return found


def cell(found: Sequence[float]) -> str:
    """Return median and spread."""
    if not found:
        return ""
    middle = chart.number(statistics.median(found))
    if len(found) == 1:
        return middle
    return f"{middle} ({chart.number(min(found))} to {chart.number(max(found))})"


def names(document: Document) -> list[str]:
    """Return the measured servers in the order of the tables."""
    return [kind.name for kind in EVERY if kind.name in document["figures"]]


def table(document: Document, wanted: Table) -> Iterable[str]:
    """Return the lines of a table."""
    heads = ["", *(column.head for column in wanted.columns)]
    yield f"| {' | '.join(heads)} |"
    yield f"|{' --- |' * len(heads)}"
    for server in names(document):
        cells = [cell(values(document, server, column.key)) for column in wanted.columns]
        yield f"| {server} | {' | '.join(cells)} |"


def ratio(document: Document, key: str, server: str, reference: str) -> list[float]:
    """Return the ratio of two servers in each round, which were measured one after the other."""
    pairs = zip(values(document, server, key), values(document, reference, key), strict=False)
    return [one / other for one, other in pairs if other]


def aims(found: Sequence[Document]) -> Iterable[str]:
    """Return the lines that compare the figures with the project's aims."""
    first, last = found[0], found[-1]
    cpu, echo = "cpu_us_per_request", "websocket_cpu_us_per_message"
    rows = [
        (
            "nginx: CPU a request, times static nginx with keep-alive",
            ratio(first, cpu, "lightship-nginx", "nginx-static"),
            1.3,
        ),
        ("nginx: CPU a request, times HAProxy with maps", ratio(first, cpu, "lightship-nginx", "haproxy-maps"), 0.5),
        (
            "nginx: CPU a request, times configurable-http-proxy",
            ratio(first, cpu, "lightship-nginx", "configurable-http-proxy"),
            0.05,
        ),
        ("nginx: WebSocket echo, times static nginx", ratio(first, echo, "lightship-nginx", "nginx-static"), 1.1),
        ("nginx: kB of memory for an idle WebSocket", values(first, "lightship-nginx", "websocket_idle_kb"), 60.0),
        (
            "Apache: CPU a request, times static Apache without reuse",
            ratio(first, cpu, "lightship-apache", "apache-static-no-reuse"),
            1.2,
        ),
    ]
    if last is not first:
        before, after = values(first, "lightship-nginx", cpu), values(last, "lightship-nginx", cpu)
        if before and after:
            grown = [statistics.median(after) / statistics.median(before)]
            rows.append(
                (f"nginx: CPU a request at {last['links']:,} links, times that at {first['links']:,}", grown, 1.1)
            )
    yield "| | measured | aim: at most | |"
    yield "| --- | --- | --- | --- |"
    for text, measured, aim in rows:
        if measured:
            verdict = "met" if statistics.median(measured) <= aim else "missed"
            yield f"| {text} | {cell(measured)} | {chart.number(aim)} | {verdict} |"


def draw(found: Sequence[Document]) -> Iterable[str]:
    """Write the charts and return the lines that show them."""
    for key, file, title in CHARTS:
        rows = {
            kind.name: [values(document, kind.name, key) for document in found]
            for kind in EVERY
            if any(values(document, kind.name, key) for document in found)
        }
        if not rows:
            continue
        series = [f"{document['links']:,} links" for document in found]
        (settings.RESULTS / f"{file}.svg").write_text(chart.bars(title, series, rows), encoding="utf-8")
        yield f"![{title}](results/{file}.svg)\n"


def conditions(found: Sequence[Document]) -> Iterable[str]:
    """Return the lines that say what was measured, where and how."""
    newest = found[-1]
    machine = newest["machine"]
    load = max(document["machine"]["load_at_the_end"] for document in found)
    yield (
        f"Measured {newest['time']} on {machine['system']} with {machine['processors']} processors, which other work "
        f"shared (load average {load:.1f}): {newest['rounds']} rounds, {newest['seconds']:g} s for each measurement of "
        f"a server, {newest['connections']} clients. Each value is the median of the rounds, with the least and the "
        "greatest.\n"
    )
    versions: dict[str, str] = {}
    for document in found:
        versions |= document["versions"]
    chosen = {kind.name: kind.settings for kind in EVERY if kind.name in versions}
    yield "| | version | settings |\n| --- | --- | --- |"
    for name, text in chosen.items():
        yield f"| {name} | {versions[name]} | {text} |"
    yield ""
    for document in found:
        for server, notes in document["notes"].items():
            for note in notes:
                yield f"- {document['links']:,} links, {server}: {note.splitlines()[0]}"
    yield ""


def section(found: Sequence[Document]) -> str:
    """Return the text between the two marks of the README."""
    lines = [*conditions(found), "### Compared with the aims\n", *aims(found), "", *draw(found)]
    for wanted in TABLES:
        lines.append(f"### {wanted.title}\n")
        for document in found:
            links = document["links"]
            lines.append(f'{links:,} links: `make bench-peers LINKS={links} MEASURES="{wanted.measures}"`\n')
            lines += [*table(document, wanted), ""]
    return "\n".join(lines)


def main() -> int:
    """Write charts and tables."""
    found = documents()
    if not found:
        print(f"No results in {settings.RESULTS}; run make bench-peers first.", file=sys.stderr)
        return 1
    text = README.read_text(encoding="utf-8")
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    README.write_text(f"{before}{BEGIN}\n{section(found)}{END}{after}", encoding="utf-8")
    print(f"Wrote {README} and {len(CHARTS)} charts beside the results.")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
