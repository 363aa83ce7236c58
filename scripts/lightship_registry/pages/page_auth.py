"""Who looks at a link's pages: whoever shows the notebook's token is its owner's browser."""

from __future__ import annotations

import hashlib
import hmac
import re

from starlette.requests import Request
from starlette.responses import Response

from lightship_registry.core.records import NO_HASH

# The web server takes the tokens from the address and from every cookie of that name, puts commas between them, and
# lets no such header of a client's through. There may be several: any page can lead here with a wrong one in the
# address, and older browsers let a neighbour's page add such a cookie.
HEADER = "x-lightship-token"
MOST_TOKENS = 16
# The prefix makes browsers refuse it from any other host: no neighbour can plant one here.
COOKIE = "__Host-lightship"
COOKIE_SECONDS = 7 * 24 * 3600
TOKEN = re.compile(r"[0-9a-f]{32}")


def proven_token(request: Request, token_sha256: str) -> str:
    """The one among the tokens that the viewer shows that has this digest; else nothing."""
    # All are compared, and one where there is none, so that the time taken tells nothing of which it was.
    return max(proven(token, token_sha256) for token in _shown(request) or [""])


def proven(text: str, token_sha256: str) -> str:
    """The text, if it is the token with this digest; else nothing."""
    token = text if TOKEN.fullmatch(text) else ""
    digest = hashlib.sha256(token.encode("ascii")).hexdigest()
    same = hmac.compare_digest(digest, token_sha256 or NO_HASH)
    return token if same else ""


def _shown(request: Request) -> list[str]:
    headers = request.headers.getlist(HEADER)
    tokens = headers[0].split(",") if len(headers) == 1 else []
    return tokens if len(tokens) <= MOST_TOKENS and all(map(TOKEN.fullmatch, tokens)) else []


def remembered(response: Response, token: str) -> Response:
    """The answer that has the browser show the token again when its owner comes back without it in the address."""
    response.set_cookie(COOKIE, token, COOKIE_SECONDS, path="/", secure=True, httponly=True, samesite="lax")
    return response
