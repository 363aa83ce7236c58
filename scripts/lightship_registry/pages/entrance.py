"""The way from our pages into a notebook, with its token, for those who have shown that they have it."""

from __future__ import annotations

import posixpath
import re
from urllib.parse import parse_qs, quote, unquote

from starlette.requests import Request

FIRST_PAGE = "/"
LONGEST_PATH = 2000
LONGEST_FORM = 4096
# Where a notebook signs in and out, and what is ours: nobody wants to be sent there, and the last would go in a circle.
SIGNING, OURS = ("/login", "/logout"), "/.lightship"
# A reserved character stays as it is; what a browser would drop or take for a slash does not.
KEPT = "%/:?[]@!$&'()*+,;=-._~"
# In a field, people paste the token or the whole link.
PASTED = re.compile(r"(?:.*[?&]token=)?([0-9a-fA-F]{32})(?:[&#].*)?")


def destination(asked: str) -> str:
    """The page of the notebook that was asked for, without a token; else its first page. Always one of this address."""
    path, _, query = asked.partition("#")[0].partition("?")
    outside = not path.startswith("/") or path.startswith(("//", "/\\"))
    # As a browser reads it: it takes what is encoded in /%2e%2e/ for dots.
    plain = posixpath.normpath(unquote(path))
    if outside or len(asked) > LONGEST_PATH or plain in SIGNING or plain.startswith(OURS):
        return FIRST_PAGE
    kept = "&".join(word for word in query.split("&") if word and not word.startswith("token="))
    return quote(f"{path}?{kept}" if kept else path, safe=KEPT)


def with_token(page: str, token: str) -> str:
    """The address of the page that opens it."""
    return f"{page}{'&' if '?' in page else '?'}token={token}"


def tokens_in(asked: str) -> list[str]:
    """Those that the notebook was shown before it asked for one."""
    return parse_qs(asked.partition("#")[0].partition("?")[2]).get("token", [])


def form_fields(body: bytes) -> tuple[str, str]:
    """The token that was typed or pasted, and the page that was asked for."""
    try:
        fields = parse_qs(body[:LONGEST_FORM].decode("ascii"), max_num_fields=4)
    except ValueError:
        return "", ""
    pasted = PASTED.fullmatch(fields.get("token", [""])[-1].strip())
    return (pasted[1].lower() if pasted else ""), fields.get("next", [""])[-1]


def is_own_navigation(request: Request, origin: str) -> bool:
    """Whether the reader goes there: by hand, from a bookmark or from a page of this address; never a page elsewhere.

    A prefetch is started by a page, and the browser does not say by which.
    """
    headers = request.headers
    if "prefetch" in headers.get("sec-purpose", "") + headers.get("purpose", ""):
        return False
    site = headers.get("sec-fetch-site")
    if site is None:
        # A browser of before 2023: our pages have it send the address it comes from, within this address alone.
        return headers.get("referer", "").startswith(f"{origin}/")
    kind = (headers.get("sec-fetch-mode"), headers.get("sec-fetch-dest"))
    return site in ("same-origin", "none") and kind == ("navigate", "document")
