"""What answers on one kind of host: routes, and one place for all errors: what is recorded, what the client is told."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence

from sqlalchemy.exc import SQLAlchemyError
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Match, Route
from starlette.types import ASGIApp, Lifespan, Receive, Scope, Send

from lightship_registry.api.calls import CALL, NOTHING
from lightship_registry.core import audit
from lightship_registry.core.counting import ACTION, OTHER
from lightship_registry.core.db_errors import explain
from lightship_registry.core.errors import RegistryError
from lightship_registry.core.observer import Observer

CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
# Puts an error as one kind of client reads it, with headers of the answer.
Render = Callable[[RegistryError, Mapping[str, str]], Response]


class ExactRoute(Route):
    """One path to the letter, with every method: what answers there says itself what is wrong with one."""

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Compare; a pattern would take a path with a line feed at its end for the same."""
        return (Match.FULL if scope["path"] == self.path else Match.NONE), {}

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on."""
        await self.app(scope, receive, send)


class ControlCharacters(BaseRoute):
    """Every path with a control character, which is no route's.

    Starlette's own patterns end in `$`, which takes a path with a line feed at its end for the same.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Search; with `FULL`, no later route is asked."""
        return (Match.FULL if CONTROL.search(scope["path"]) else Match.NONE), {}

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on."""
        await self._app(scope, receive, send)


def application(
    routes: Sequence[BaseRoute],
    render: Render,
    observer: Observer,
    *,
    default: ASGIApp | None = None,
    lifespan: Lifespan[Starlette] | None = None,
) -> Starlette:
    """Put it together; `default` answers where no route leads."""

    async def failed(request: Request, error: Exception) -> Response:
        if isinstance(error, HTTPException):
            return render(_astray(error), error.headers or NOTHING)
        call, action = request.scope.get(CALL), request.scope.get(ACTION, OTHER)
        # A page is no call: what it may not show, it does not refuse by an error.
        if call and isinstance(error, RegistryError) and not error.is_ours:
            audit.record(call.event(action, "refused", error.detail or error.code))
            observer.refused(action, error.code, call.cluster)
            return render(error, call.for_web_server)
        audit.problem(f"{action if call else 'page'}: {explain(error)}")
        return render(registry_error(), NOTHING)

    async def unexpected(_request: Request, _error: Exception) -> Response:
        audit.problem("unexpected error; its traceback follows")
        return render(registry_error(), NOTHING)

    known = (HTTPException, RegistryError, SQLAlchemyError, OSError)
    app = Starlette(
        routes=routes, lifespan=lifespan, exception_handlers={**dict.fromkeys(known, failed), Exception: unexpected}
    )
    app.router.redirect_slashes = False
    if default is not None:
        app.router.default = default
    app.router.routes.insert(0, ControlCharacters(app.router.default))
    return app


def registry_error() -> RegistryError:
    """For everything that only the administrator can mend."""
    return RegistryError(
        "The registry has trouble of its own and could not do this. Notebooks that run go on. Try again in a minute; "
        "if it stays so, tell your administrators: the registry's journal says what is wrong."
    )


def _astray(error: HTTPException) -> RegistryError:
    if error.status_code == 405:
        return RegistryError("This address allows another method.", "bad-method", 405)
    return RegistryError("The registry has no such address.", "no-such-address", error.status_code)
