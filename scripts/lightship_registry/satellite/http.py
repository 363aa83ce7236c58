"""Satellite's interface as its clients speak it: six addresses on `manage` and on the domain, answers in plain text.

Such clients read the last word but one of what `curl` printed, or whether it begins with `Oops!`: successes are
Satellite's to the letter, refusals have its status 200 and its first word, and a sentence of our own. A GET changes
things here, and nowhere else in this service: no browser's page can profit from that, for the answers are open to the
clusters' networks alone and name no link of our own.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from urllib.parse import parse_qsl

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from lightship_registry.api.bodies import read_body
from lightship_registry.api.calls import Call, begin
from lightship_registry.api.hosts import ExactRoute
from lightship_registry.core import audit, errors
from lightship_registry.core.errors import RegistryError
from lightship_registry.links import targets
from lightship_registry.satellite.rules import SatelliteRules, job_of, jobs_in
from lightship_registry.satellite.watch import SatelliteWatch

# One job in the queue takes about 20 bytes.
LARGEST_REPORT = 1024 * 1024
MOST_FIELDS = 20
TRIES, TRY_SECONDS = 9, 0.25
HEADERS = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}

Fields = dict[str, list[str]]
Handler = Callable[[Call, targets.Address, Fields], Awaitable[str]]


def refusal(error: RegistryError, _headers: Mapping[str, str]) -> Response:
    """What these clients learn of an error."""
    return PlainTextResponse(f"Oops! {error.sentence}\n", 500 if error.status >= 500 else 200, HEADERS)


NOTHING_HERE = PlainTextResponse("Oops! There is nothing here.\n", 404, HEADERS)


class SatelliteApi:
    """The six requests."""

    def __init__(self, rules: SatelliteRules, watch: SatelliteWatch) -> None:
        self._rules = rules
        self._notebooks = watch

    def routes(self) -> list[ExactRoute]:
        """One for each, with its method; those whose success is too common to be recorded are quiet."""
        return [
            self._route("getlink", self._get_link),
            self._route("linktoken", self._link_token),
            self._route("redeemtoken", self._redeem_token),
            self._route("destroytoken", self._destroy_token),
            self._route("tokenjobstate", self._token_job_state, quiet=True),
            self._route("update-jobs", self._update_jobs, "POST", quiet=True),
        ]

    def _route(self, name: str, handler: Handler, method: str = "GET", *, quiet: bool = False) -> ExactRoute:
        action = f"satellite-{name}"

        async def answer_to(request: Request) -> Response:
            call = begin(request, action)
            text = await self._run(call, handler, method)
            if not quiet:
                audit.record(call.event(action, "ok", call.reason))
            return PlainTextResponse(text, 200, HEADERS)

        return ExactRoute(f"/{name}.cgi", answer_to)

    async def _run(self, call: Call, handler: Handler, method: str) -> str:
        # Where from comes first: to everybody else all of this looks alike.
        address = targets.address_of(call.address)
        call.cluster = self._rules.cluster_of(address)
        call.user = f"satellite:{address}"
        if call.request.method != method:
            raise errors.invalid(f"Only {method} method is supported", "bad-method")
        if method == "POST":
            body = await read_body(call.request, largest=LARGEST_REPORT)
            # A large form is parsed in a thread: the event loop must not stand still for so long.
            fields = await run_in_threadpool(_fields, body)
        else:
            fields = _fields(call.request.scope["query_string"])
        return await handler(call, address, fields)

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
        await run_in_threadpool(self._report, call.cluster, _one(fields, "jobstates"))
        return "Successfully updated jobs! \n"

    def _report(self, cluster: str, lines: str) -> None:
        self._rules.report(cluster, jobs_in(lines))


def _fields(sent: bytes) -> Fields:
    try:
        pairs = parse_qsl(
            sent.decode("latin-1"), keep_blank_values=True, encoding="latin-1", max_num_fields=MOST_FIELDS
        )
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
