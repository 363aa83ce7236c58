"""The HTTP API: agents sign their requests with the cluster's key, jobs bear the link's secret."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TypeVar

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.routing import Route

from lightship_protocol import limits, signing
from lightship_protocol.states import ENDED, SUBJECTS
from lightship_registry.api import openapi, reports
from lightship_registry.api.bodies import read_body
from lightship_registry.api.calls import Call, Endpoint, Json, endpoint, user_of_query
from lightship_registry.api.signatures import Signed, Verifier
from lightship_registry.api.ssh_keys import KeyCalls
from lightship_registry.core import errors, fields
from lightship_registry.core.clock import Clock, steady
from lightship_registry.core.observer import Observer
from lightship_registry.core.records import JOB, Cause, Ending, Link, Location, Wish
from lightship_registry.core.settings import Settings
from lightship_registry.links import targets
from lightship_registry.links.jobs import INTERVAL_SECONDS, Jobs
from lightship_registry.links.lifecycle import Links
from lightship_registry.links.probe import Expected, Prober
from lightship_registry.links.publisher import Publisher
from lightship_registry.tunnels.tunnels import Tunnels

# Agents come again within seconds; this long, an idle cluster keeps its allowance.
AGENT_KNOWN_SECONDS = 3600
BEARER = re.compile(r"Bearer ([0-9a-f]{64})", re.IGNORECASE)

Aim = tuple[targets.Address, int, Expected]
AgentHandler = Callable[[Call], Json]
Found = TypeVar("Found")


class Api:
    """The endpoints, and the two ways of proving who asks."""

    def __init__(
        self,
        settings: Settings,
        links: Links,
        publisher: Publisher,
        jobs: Jobs,
        tunnels: Tunnels,
        verifier: Verifier,
        prober: Prober,
        client_ca: str,
        clock: Clock,
        observer: Observer,
    ) -> None:
        self._settings = settings
        self._links = links
        self._publisher = publisher
        self._jobs = jobs
        self._keys = KeyCalls(tunnels)
        self._verifier = verifier
        self._prober = prober
        self._client_ca = client_ca
        self._clock = clock
        self._observer = observer

    def routes(self) -> list[Route]:
        """The whole API in one table."""
        return [
            Route(openapi.PATH, openapi.endpoint(), methods=["GET"]),
            Route("/v1/ping", self._signed("ping", self._ping, quiet=True), methods=["GET"]),
            Route("/v1/jobs", self._signed("jobs", self._report, quiet=True), methods=["POST"]),
            Route("/v1/keys", self._signed("keys", self._keys.listed, quiet=True), methods=["GET"]),
            Route("/v1/keys", self._signed("key-add", self._keys.add), methods=["POST"]),
            Route("/v1/keys/remove", self._signed("key-remove", self._keys.remove), methods=["POST"]),
            Route("/v1/links", self._signed("create", self._create, status=201), methods=["POST"]),
            Route("/v1/links/{name}", self._signed("status", self._status, quiet=True), methods=["GET"]),
            Route("/v1/links/{name}/job", self._signed("job", self._job), methods=["POST"]),
            Route("/v1/links/{name}/cancel", self._signed("cancel", self._cancel), methods=["POST"]),
            Route("/v1/links/{name}/claim", self._bearer("claim", self._claim), methods=["POST"]),
            Route(
                "/v1/links/{name}/target",
                endpoint("target", self._target, status=200, quiet=False, observer=self._observer),
                methods=["POST"],
            ),
            Route("/v1/links/{name}/heartbeat", self._bearer("beat", self._heartbeat, quiet=True), methods=["POST"]),
            Route("/v1/links/{name}/end", self._bearer("end", self._end), methods=["POST"]),
        ]

    # Who asks, and what comes of it, in one go in a worker thread: each change of threads costs as much as a query.

    def _signed(self, action: str, handler: AgentHandler, *, status: int = 200, quiet: bool = False) -> Endpoint:
        def in_thread(call: Call, body: bytes) -> Json:
            self._require_signature(call, body)
            return handler(call)

        async def run(call: Call) -> Json:
            return await run_in_threadpool(in_thread, call, await read_body(call.request))

        return endpoint(action, run, status=status, quiet=quiet, observer=self._observer)

    def _bearer(self, action: str, handler: Callable[[Call, Link], Json], *, quiet: bool = False) -> Endpoint:
        async def run(call: Call) -> Json:
            return await run_in_threadpool(self._as_job, call, await read_body(call.request), handler)

        return endpoint(action, run, status=200, quiet=quiet, observer=self._observer)

    def _require_signature(self, call: Call, body: bytes) -> None:
        signed = _signed_parts(call.request, body)
        self._verifier.verify(signed)
        call.known(AGENT_KNOWN_SECONDS)
        call.cluster = signed.cluster
        self._observer.heard(signed.cluster, int(signed.time) - self._clock())
        call.data = fields.parse_object(body)

    def _as_job(self, call: Call, body: bytes, handler: Callable[[Call, Link], Found]) -> Found:
        bearer = BEARER.fullmatch(call.request.headers.get("authorization", ""))
        if bearer is None:
            raise errors.refused("no secret")
        link = self._links.of_secret(call.name, bearer[1].lower())
        call.cluster, call.user = link.cluster, link.user
        call.known(0 if link.state == ENDED else link.expires_at - self._clock())
        call.data = fields.parse_object(body)
        return handler(call, link)

    def _ping(self, call: Call) -> Json:
        return {"ok": True, "cluster": call.cluster, "time": int(self._clock())}

    def _report(self, call: Call) -> Json:
        told = reports.parse(call.data)
        self._jobs.report(call.cluster, told)
        self._jobs.faults.tell(call.cluster, *reports.fault(call.data))
        watch = self._jobs.watch(call.cluster)
        return {"watch": watch, "interval": INTERVAL_SECONDS}

    def _create(self, call: Call) -> Json:
        call.user = fields.user(call.data.get("user"))
        wish = Wish(
            seconds=fields.whole_number(call.data, "seconds"),
            title=fields.note(call.data, "title", limits.TITLE),
            command=fields.note(call.data, "command", limits.COMMAND),
            token_sha256=fields.digest(call.data, "token_sha256"),
            subject=fields.word(call.data, "subject", SUBJECTS),
        )
        link, secret = self._links.create(call.owner, wish)
        call.name = link.name
        call.expect(secret, link.expires_at - self._clock())
        url = self._settings.origin(link.name)
        return {"name": link.name, "secret": secret, "url": url, "expires": int(link.expires_at)}

    def _job(self, call: Call) -> Json:
        call.user = fields.user(call.data.get("user"))
        job_id = fields.job_id(call.data.get("job_id"))
        call.reason = f"job {job_id}"
        return self._status_of(self._links.set_job(call.name, call.owner, job_id))

    def _status(self, call: Call) -> Json:
        call.user = user_of_query(call)
        return self._status_of(self._links.of_owner(call.name, call.owner))

    def _cancel(self, call: Call) -> Json:
        call.user = fields.user(call.data.get("user"))
        call.reason = fields.note(call.data, "reason", limits.REASON)
        link = self._links.of_owner(call.name, call.owner)
        ending = Ending(Cause.CANCELLED, call.reason or "Cancelled by the user.")
        ended = self._links.end(link, ending)
        call.target = ended.target
        return self._status_of(ended)

    def _claim(self, call: Call, link: Link) -> Json:
        settings = self._settings
        location = Location(
            node=fields.note(call.data, "node", limits.NODE),
            partition=fields.note(call.data, "partition", limits.PARTITION),
            folder=fields.note(call.data, "folder", limits.FOLDER),
        )
        claimed = self._links.claim(link, fields.string(call.data, "csr"), location)
        return {
            "certificate": claimed.certificate,
            "client_ca": self._client_ca,
            "expires": claimed.expires,
            "heartbeat": settings.heartbeat_seconds,
            "host": settings.host(link.name),
            "origin": settings.origin(link.name),
        }

    async def _target(self, call: Call) -> Json:
        body = await read_body(call.request)
        began = steady()
        link, (address, port, expected) = await run_in_threadpool(self._as_job, call, body, self._aim)
        await self._prober.probe(address, port, expected)
        published = await run_in_threadpool(self._publisher.publish, link, call.target)
        self._observer.published(steady() - began)
        return {"state": published.state}

    def _aim(self, call: Call, link: Link) -> tuple[Link, Aim]:
        port = fields.whole_number(call.data, "port")
        # Never from the body: a job could name another user's node there.
        address = targets.address_of(call.address)
        call.target = targets.target_of(address, port)
        return link, (address, port, self._publisher.expected(link, address, port))

    def _heartbeat(self, _call: Call, link: Link) -> Json:
        renewed = self._links.heartbeat(link)
        return {"state": renewed.state, "expires": int(renewed.expires_at)}

    def _end(self, call: Call, link: Link) -> Json:
        call.reason = fields.note(call.data, "reason", limits.REASON)
        ending = Ending(
            fields.cause(call.data),
            call.reason or f"The {link.noun} ended.",
            fields.lines(call.data, "tail", limits.TAIL),
            JOB,
        )
        ended = self._links.end(link, ending)
        call.known(0)
        call.target = ended.target
        return {"state": ended.state, "reason": ended.reason}

    def _status_of(self, link: Link) -> Json:
        return {
            "name": link.name,
            "state": link.state,
            "cause": link.cause,
            "reason": link.reason,
            "job_id": link.job_id,
            "url": self._settings.origin(link.name),
            "expires": int(link.expires_at),
            "ready": int(link.ready_at),
            "ended": int(link.ended_at),
            "seconds": link.seconds,
        }


def _signed_parts(request: Request, body: bytes) -> Signed:
    path = request.scope.get("raw_path") or request.scope["path"].encode()
    query = request.scope["query_string"]
    headers = request.headers
    return Signed(
        method=request.method,
        path=(path + b"?" + query if query else path).decode("latin-1"),
        body=body,
        time=headers.get(signing.TIME, ""),
        nonce=headers.get(signing.NONCE, ""),
        cluster=headers.get(signing.CLUSTER, ""),
        signature=headers.get(signing.SIGNATURE, ""),
    )
