"""Bar charts as SVG, readable on light and dark pages: a row for each server, a bar for each number of links."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jinja2

WIDTH, LEFT, RIGHT, TOP = 860, 200, 70, 56
BAR, GAP, BOTTOM = 12, 10, 24
ENOUGH = 100.0
TEMPLATES = Path(__file__).parent


def number(value: float) -> str:
    """Return a figure with three significant digits, and thousands apart."""
    if not math.isfinite(value):
        return "-"
    if abs(value) >= ENOUGH:
        return f"{value:,.0f}"
    return f"{value:.3g}" if value else "0"


def bars(title: str, series: Sequence[str], values: Mapping[str, Sequence[Sequence[float]]]) -> str:
    """Return a chart with a logarithmic scale.

    Args:
        title: what the figure is, with its unit.
        series: the names of the bars of each row.
        values: for each row and bar the values of all rounds; an empty list leaves the bar out.
    """
    every = [value for row in values.values() for bar in row for value in bar if value > 0]
    low = math.floor(math.log10(min(every)))
    high = math.ceil(math.log10(max(every)) + 1e-9)
    high = max(high, low + 1)

    def place(value: float) -> float:
        share = (math.log10(max(value, 10**low)) - low) / (high - low)
        return round(LEFT + share * (WIDTH - LEFT - RIGHT), 1)

    rows: list[dict[str, Any]] = []
    y = TOP
    for name, row in values.items():
        begin, drawn = y, []
        for index, bar in enumerate(row):
            if not bar:
                continue
            middle = statistics.median(bar)
            drawn.append(
                {
                    "series": index,
                    "y": y,
                    "height": BAR - 2,
                    "width": round(place(middle) - LEFT, 1),
                    "least": place(min(bar)),
                    "most": place(max(bar)),
                    "label": max(place(max(bar)), place(middle)) + 5,
                    "text": number(middle),
                }
            )
            y += BAR
        rows.append({"name": name, "bars": drawn, "middle": (begin + y) / 2 - 1})
        y += GAP
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES), autoescape=True, trim_blocks=True, undefined=jinja2.StrictUndefined
    )
    return environment.get_template("chart.svg.j2").render(
        title=title,
        width=WIDTH,
        height=y + BOTTOM,
        left=LEFT,
        top=TOP - 4,
        legend=[{"x": LEFT + 130 * index, "text": text} for index, text in enumerate(series)],
        ticks=[{"x": place(10.0**power), "text": number(10.0**power)} for power in range(low, high + 1)],
        rows=rows,
    )
