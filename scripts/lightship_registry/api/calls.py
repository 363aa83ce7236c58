"""One request on its way through the API, and how its success is answered and recorded."""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

import msgspec
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from lightship_registry.core import audit
from lightship_registry.core.counting import ACTION
from lightship_registry.core.errors import RegistryError
from lightship_registry.core.records import Link, Owner
from lightship_registry.links.names import is_name

# Where the scope keeps the call.
CALL = "lightship.call"
NO_STORE = {"Cache-Control": "no-store"}
NOTHING: Mapping[str, str] = {}


@dataclass
class Call:
    """One request on its way: what is known of it so far, for the handler and for the journal."""

    request: Request
    name: str
    address: str | None
    # Whose secret the request bears; agents' have none.
    link: Link = field(init=False, repr=False)
    cluster: str = ""
    user: str = ""
    target: str = ""
    reason: str = ""
    # What the web server is told beside the answer: on whose allowance such requests count.
    for_web_server: dict[str, str] = field(default_factory=dict)

    def known(self, seconds: float) -> None:
        """The proof in this request is a true one, for so long; a link that has ended proves nothing any more."""
        self.for_web_server["X-Lightship-Known"] = str(max(0, int(seconds)))

    def expect(self, secret: str, seconds: float) -> None:
        """Requests will come that bear this secret, which the answer tells."""
        # Only a name for it, and no protection: nobody can guess 256 bits.
        digest = hashlib.sha1(secret.encode("ascii"), usedforsecurity=False).hexdigest()
        self.for_web_server["X-Lightship-Expect"] = f"{digest} {max(1, int(seconds))}"

    @property
    def owner(self) -> Owner:
        """Whom the agent vouches for."""
        return Owner(self.cluster, self.user)

    def event(self, action: str, result: str, reason: str) -> audit.Event:
        """The journal's line about it."""
        link = self.name if is_name(self.name) else ""
        return audit.Event(action, result, self.cluster, self.user, link, self.address or "", self.target, reason)


Endpoint = Callable[[Request], Awaitable[Response]]
Run = Callable[[Call], Awaitable[object]]


def begin(request: Request, action: str) -> Call:
    """Take up a request; the handlers of errors find the call in the scope."""
    call = Call(request, request.path_params.get("name", ""), address_of(request))
    request.scope[ACTION], request.scope[CALL] = action, call
    return call


def refusal(error: RegistryError, for_web_server: Mapping[str, str] = NOTHING) -> Response:
    """What a client of the API learns of an error."""
    return JSONResponse({"error": error.sentence, "code": error.code}, error.status, {**NO_STORE, **for_web_server})


def endpoint(action: str, run: Run, *, status: int, quiet: bool) -> Endpoint:
    """An endpoint whose success is answered and, unless it is quiet, recorded."""

    async def answer_to(request: Request) -> Response:
        call = begin(request, action)
        answer = await run(call)
        if not quiet:
            audit.record(call.event(action, "ok", call.reason))
        headers = {**NO_STORE, **call.for_web_server}
        return Response(msgspec.json.encode(answer), status, headers, "application/json")

    return answer_to


def address_of(request: Request) -> str | None:
    """Where the request came from, as the web server says; nothing if another may have said it."""
    # Twice means that somebody other than the web server set it.
    values = request.headers.getlist("x-real-ip")
    return values[0] if len(values) == 1 else None
