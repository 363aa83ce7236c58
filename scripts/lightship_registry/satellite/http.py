"""Satellite's interface as its clients speak it: six addresses on `manage` and on the domain, answers in plain text.

Such clients read the last word but one of what `curl` printed, or whether it begins with `Oops!`: successes are
Satellite's to the letter, refusals have its status 200 and its first word, and a sentence of our own. A GET changes
things here, and nowhere else in this service: no browser's page can profit from that, for the answers are open to the
clusters' networks alone and name no link of our own.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from urllib.parse import parse_qsl

from sqlalchemy.exc import SQLAlchemyError
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.types import Receive, Scope, Send

from lightship_registry.api.bodies import read_body
from lightship_registry.api.calls import Call, address_of, registry_error
from lightship_registry.core import audit, errors
from lightship_registry.core.counting import ACTION
from lightship_registry.core.db_errors import explain
from lightship_registry.core.errors import RegistryError
from lightship_registry.core.observer import Observer
from lightship_registry.links import targets
from lightship_registry.satellite.rules import SatelliteRules, job_of, jobs_in
from lightship_registry.satellite.watch import SatelliteWatch

GET, POST = ("GET",), ("POST",)
# One job in the queue takes about 20 bytes.
LARGEST_REPORT = 1024 * 1024
MOST_FIELDS = 20
TRIES, TRY_SECONDS = 9, 0.25
HEADERS = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}

Fields = dict[str, list[str]]
Handler = Callable[[Call, targets.Address, Fields], Awaitable[str]]


class SatelliteApi:
    """The ASGI application."""

    def __init__(self, rules: SatelliteRules, watch: SatelliteWatch, observer: Observer) -> None:
        self._rules = rules
        self._notebooks = watch
        self._observer = observer
        # Handler, methods, and whether success is too common to be recorded.
        self._addresses: dict[str, tuple[Handler, tuple[str, ...], bool]] = {
            "/getlink.cgi": (self._get_link, GET, False),
            "/linktoken.cgi": (self._link_token, GET, False),
            "/redeemtoken.cgi": (self._redeem_token, GET, False),
            "/destroytoken.cgi": (self._destroy_token, GET, False),
            "/tokenjobstate.cgi": (self._token_job_state, GET, True),
            "/update-jobs.cgi": (self._update_jobs, POST, True),
        }

    def has(self, path: str) -> bool:
        """Is this one of the six addresses?"""
        return path in self._addresses

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer."""
        response = await self._answer(Request(scope, receive))
        await response(scope, receive, send)

    async def _answer(self, request: Request) -> Response:
        found = self._addresses.get(request.scope["path"])
        if found is None:
            return PlainTextResponse("Oops! There is nothing here.\n", 404, HEADERS)
        handler, methods, quiet = found
        action = f"satellite-{request.scope['path'][1:-4]}"
        request.scope[ACTION] = action
        call = Call(request, "", address_of(request))
        try:
            text = await self._run(call, handler, methods)
        except RegistryError as error:
            if error.status >= 500:
                return self._trouble(action, error.sentence)
            audit.record(call.event(action, "refused", error.detail or error.code))
            self._observer.refused(action, error.code, call.cluster)
            return PlainTextResponse(f"Oops! {error.sentence}\n", 200, HEADERS)
        except (SQLAlchemyError, OSError) as error:
            return self._trouble(action, explain(error))
        if not quiet:
            audit.record(call.event(action, "ok", call.reason))
        return PlainTextResponse(text, 200, HEADERS)

    def _trouble(self, action: str, why: str) -> Response:
        audit.problem(f"{action}: {why}")
        return PlainTextResponse(f"Oops! {registry_error().sentence}\n", 500, HEADERS)

    async def _run(self, call: Call, handler: Handler, methods: tuple[str, ...]) -> str:
        # Where from comes first: to everybody else all of this looks alike.
        address = targets.address_of(call.address)
        call.cluster = self._rules.cluster_of(address)
        call.user = f"satellite:{address}"
        if call.request.method not in methods:
            raise errors.invalid(f"Only {methods[0]} method is supported", "bad-method")
        if methods == POST:
            sent = (await read_body(call.request, largest=LARGEST_REPORT)).decode("latin-1")
        else:
            sent = call.request.scope["query_string"].decode("latin-1")
        return await handler(call, address, _fields(sent))

    async def _get_link(self, call: Call, address: targets.Address, _fields: Fields) -> str:
        link = await run_in_threadpool(self._rules.get_link, call.cluster, address)
        call.name = link.name
        return f"Your token is \n{link.name}\n"

    async def _link_token(self, call: Call, _address: targets.Address, fields: Fields) -> str:
        call.name = _one(fields, "token")
        job_id = job_of(_one(fields, "jobid"))
        call.reason = f"job {job_id}"
        await run_in_threadpool(self._rules.link_token, call.cluster, call.name, job_id)
        return "Success! Token linked to jobid.\n"

    async def _redeem_token(self, call: Call, address: targets.Address, fields: Fields) -> str:
        call.name = _one(fields, "token")
        if fields.get("revssh"):
            raise errors.invalid("'revssh' is not offered here: give 'port'", "revssh")
        port = _port(_one(fields, "port"))
        call.target = targets.target_of(address, port)
        await self._announce(call, address, port)
        return "Success!\n"

    async def _announce(self, call: Call, address: targets.Address, port: int) -> None:
        if self._notebooks.is_left(call.target):
            sentence = f"The notebook of an earlier link still listens at {call.target}. Let yours use another port."
            raise RegistryError(sentence, "target-taken", 409)
        for tries_left in reversed(range(TRIES)):
            try:
                await run_in_threadpool(self._rules.redeem, call.cluster, call.name, address, port)
            except RegistryError as error:
                # The notebook that had the port may be gone since this very moment: its link ends within two seconds.
                if error.code != "target-taken" or not tries_left:
                    raise
                await asyncio.sleep(TRY_SECONDS)
            else:
                return

    async def _destroy_token(self, call: Call, address: targets.Address, fields: Fields) -> str:
        call.name = _one(fields, "token")
        ended = await run_in_threadpool(self._rules.destroy, call.cluster, call.name, address)
        call.target = ended.target
        return "Success! Token destroyed.\n"

    async def _token_job_state(self, call: Call, _address: targets.Address, fields: Fields) -> str:
        # Its page sent the whole host name, and compares the whole answer.
        call.name = _one(fields, "token").partition(".")[0]
        return await run_in_threadpool(self._rules.state, call.cluster, call.name)

    async def _update_jobs(self, call: Call, _address: targets.Address, fields: Fields) -> str:
        said = jobs_in(_one(fields, "jobstates"))
        await run_in_threadpool(self._rules.report, call.cluster, said)
        return "Successfully updated jobs! \n"


def _fields(sent: str) -> Fields:
    try:
        pairs = parse_qsl(sent, keep_blank_values=True, encoding="latin-1", max_num_fields=MOST_FIELDS)
    except ValueError as error:
        raise errors.invalid("Too many parameters") from error
    found: Fields = {}
    for key, value in pairs:
        found.setdefault(key, []).append(value)
    return found


def _one(fields: Fields, key: str) -> str:
    values = fields.get(key, [])
    if len(values) != 1 or not values[0]:
        raise errors.invalid(f"Missing '{key}' parameter")
    return values[0]


def _port(text: str) -> int:
    number = int(text) if text.isascii() and text.isdigit() and len(text) <= len("65535") else 0
    if not targets.LOWEST_PORT <= number <= targets.HIGHEST_PORT:
        lowest, highest = targets.LOWEST_PORT, targets.HIGHEST_PORT
        raise errors.invalid(f"'port' parameter isn't an integer between {lowest} and {highest}")
    return number
