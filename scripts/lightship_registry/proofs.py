"""Who looks at a link's pages: whoever shows the notebook's token is its owner's browser."""

from __future__ import annotations

import hashlib
import hmac
import re

from starlette.requests import Request
from starlette.responses import Response

from lightship_registry.records import NO_HASH

# The web server takes the token from the address or from the cookie, and lets no such header of a client's through.
HEADER = "x-lightship-token"
# The prefix makes browsers refuse it from any other host: no neighbour can plant one here.
COOKIE = "__Host-lightship"
COOKIE_SECONDS = 7 * 24 * 3600
TOKEN = re.compile(r"[0-9a-f]{32}")


def proven_token(request: Request, token_sha256: str) -> str:
    """The token that the viewer shows, if it is the one with this digest; else nothing."""
    shown = request.headers.getlist(HEADER)
    return proven(shown[0] if len(shown) == 1 else "", token_sha256)


def proven(text: str, token_sha256: str) -> str:
    """The text, if it is the token with this digest; else nothing."""
    token = text if TOKEN.fullmatch(text) else ""
    digest = hashlib.sha256(token.encode("ascii")).hexdigest()
    same = hmac.compare_digest(digest, token_sha256 or NO_HASH)
    return token if same else ""


def remembered(response: Response, token: str) -> Response:
    """The answer that has the browser show the token again when its owner comes back without it in the address."""
    response.set_cookie(COOKIE, token, COOKIE_SECONDS, path="/", secure=True, httponly=True, samesite="lax")
    return response
