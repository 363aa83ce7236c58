"""What the door before a program says itself: short pages of our own."""

from __future__ import annotations

import asyncio
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

_PAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><title>{title}</title>
<meta name="viewport" content="width=device-width"><meta name="color-scheme" content="light dark">
<body style="font-family: system-ui, sans-serif; max-width: 40rem; margin: 3rem auto; padding: 0 1rem">
<h1 style="font-size: 1.4rem">{title}</h1><p>{text}</p></html>
"""


async def tell(writer: asyncio.StreamWriter, refusal: Refusal) -> None:
    """Answer with the page, and nothing after it."""
    page = _PAGE.format(title=refusal.title, text=refusal.text).encode("utf-8")
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
