"""What a job may ask, once the link's secret has proved that the link is its own."""

from __future__ import annotations

from collections.abc import Awaitable

from starlette.concurrency import run_in_threadpool

from lightship_registry.api import models
from lightship_registry.api.calls import Call
from lightship_registry.api.operation import Service
from lightship_registry.core.clock import steady
from lightship_registry.core.records import JOB, Cause, Ending, Location
from lightship_registry.links import targets


def claim(service: Service, call: Call, asked: models.Claim) -> models.Claimed:
    """Claim the link, once, and get its certificate."""
    settings = service.settings
    claimed = service.links.claim(call.link, asked.csr, Location(asked.node, asked.partition, asked.folder))
    return models.Claimed(
        certificate=claimed.certificate,
        client_ca=service.client_ca,
        expires=claimed.expires,
        heartbeat=settings.heartbeat_seconds,
        host=settings.host(call.link.name),
        origin=settings.origin(call.link.name),
    )


def target(service: Service, call: Call, asked: models.Target) -> Awaitable[models.Published]:
    """Publish the notebook that listens where the request comes from."""
    began = steady()
    # Never from the body: a job could name another user's node there.
    address = targets.address_of(call.address)
    call.target = targets.target_of(address, asked.port)
    expected = service.publisher.expected(call.link, address, asked.port)
    return _publish(service, call, service.prober.probe(address, asked.port, expected), began)


async def _publish(service: Service, call: Call, probe: Awaitable[None], began: float) -> models.Published:
    await probe
    published = await run_in_threadpool(service.publisher.publish, call.link, call.target)
    service.observer.published(steady() - began)
    return models.Published(published.state)


def heartbeat(service: Service, call: Call, _asked: models.Nothing) -> models.Renewed:
    """Renew the lease."""
    renewed = service.links.heartbeat(call.link)
    return models.Renewed(renewed.state, int(renewed.expires_at))


def end(service: Service, call: Call, asked: models.End) -> models.Over:
    """End the link."""
    call.reason = asked.reason
    reason = call.reason or f"The {call.link.noun} ended."
    ended = service.links.end(call.link, Ending(Cause(asked.cause), reason, asked.tail, JOB))
    call.known(0)
    call.target = ended.target
    return models.Over(ended.state, ended.reason)
