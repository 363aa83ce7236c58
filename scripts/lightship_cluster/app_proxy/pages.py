"""The auth proxy's own pages, for requests that do not reach the program.

nginx's own pages have the same frame: the role web_proxy reads frame.html from this folder.
"""

from __future__ import annotations

import asyncio
import pkgutil
from functools import cache
from html import escape
from string import Template
from typing import NamedTuple

from lightship_cluster.app_proxy.http1 import Head
from lightship_protocol.centre import Centre


class Refusal(NamedTuple):
    """The status line without the version, a heading, and one sentence."""

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


async def tell(writer: asyncio.StreamWriter, refusal: Refusal, centre: Centre) -> None:
    """Answer with the page of the refusal and close the connection."""
    page = refusal_page(refusal, centre).encode("utf-8")
    fields = (
        ("Content-Type", "text/html; charset=utf-8"),
        ("Content-Length", str(len(page))),
        ("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"),
        ("Cache-Control", "no-store"),
        ("Referrer-Policy", "same-origin"),
        ("X-Content-Type-Options", "nosniff"),
        ("Connection", "close"),
    )
    writer.write(Head(f"HTTP/1.1 {refusal.status}", fields).encode() + page)
    await writer.drain()


# Strangers may ask for these again and again; without the cache, each time the file would be unpacked.
@cache
def refusal_page(refusal: Refusal, centre: Centre) -> str:
    """The page for a refused request."""
    return frame(refusal.title, f"<h1>{refusal.title}</h1>\n<p>{refusal.text}</p>", centre)


def frame(title: str, text: str, centre: Centre) -> str:
    """Put a title and a text, both HTML, into the frame, with links to the centre's guide and contact below."""
    template = Template((pkgutil.get_data(__package__, "frame.html") or b"").decode("utf-8"))
    return template.substitute(title=title, text=text, help=_help(centre))


def _help(centre: Centre) -> str:
    shown = (("Guide", centre.guide_url), (f"Contact {centre.name}".strip(), centre.contact_url))
    links = "".join(f'<a href="{escape(address)}">{escape(label)}</a>\n' for label, address in shown if address)
    return f'\n<nav aria-label="Help">\n{links}</nav>' if links else ""
