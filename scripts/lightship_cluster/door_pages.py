"""What the door before a program says itself: short pages of our own."""

from __future__ import annotations

import asyncio
import pkgutil
from functools import cache
from string import Template
from typing import NamedTuple

from lightship_cluster.http_heads import Head


class Refusal(NamedTuple):
    """Status line without the version, heading, and one sentence."""

    status: str
    title: str
    text: str


FORBIDDEN = Refusal(
    "403 Forbidden",
    "This address needs its token",
    "Open the whole link that start-jupyter printed, or run <code>start-jupyter open</code> where you started it.",
)
FOREIGN = Refusal("403 Forbidden", "Refused", "This request was made by a page at another address.")
BAD = Refusal("400 Bad Request", "Bad request", "This request could not be understood beyond doubt.")
AWAY = Refusal("502 Bad Gateway", "The program does not answer", "It may be starting, or it has ended. Try again.")


async def tell(writer: asyncio.StreamWriter, refusal: Refusal) -> None:
    """Answer with the page, and nothing after it."""
    page = _page(refusal)
    fields = (
        ("Content-Type", "text/html; charset=utf-8"),
        ("Content-Length", str(len(page))),
        ("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"),
        ("Cache-Control", "no-store"),
        ("X-Content-Type-Options", "nosniff"),
        ("Connection", "close"),
    )
    writer.write(Head(f"HTTP/1.1 {refusal.status}", fields).encode() + page)
    await writer.drain()


# Strangers ask for these, and each time the file would be unpacked anew.
@cache
def _page(refusal: Refusal) -> bytes:
    template = Template((pkgutil.get_data(__package__, "door.html") or b"").decode("utf-8"))
    return template.substitute(title=refusal.title, text=refusal.text).encode("utf-8")
