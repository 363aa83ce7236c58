"""What agents may ask, once their cluster's key has vouched for the request."""

from __future__ import annotations

from lightship_registry.api import models
from lightship_registry.api.calls import Call
from lightship_registry.api.operation import Service
from lightship_registry.api.reports import Reports, Watch
from lightship_registry.core.records import Cause, Ending, Link, LinkRequest
from lightship_registry.links.jobs import INTERVAL_SECONDS


def ping(service: Service, call: Call, _asked: models.Nothing) -> models.Pong:
    """Check the cluster's key and clock."""
    return models.Pong(ok=True, cluster=call.cluster, time=int(service.clock()))


def report(service: Service, call: Call, asked: Reports) -> Watch:
    """Report the states of jobs."""
    service.jobs.report(call.cluster, [job.record for job in asked.jobs])
    service.jobs.faults.tell(call.cluster, asked.host, asked.fault)
    return Watch(service.jobs.watch(call.cluster), INTERVAL_SECONDS)


def create(service: Service, call: Call, asked: models.Create) -> models.Made:
    """Make a link."""
    request = LinkRequest(asked.seconds, asked.title, asked.command, asked.token_sha256, asked.subject)
    link, secret = service.links.create(call.owner, request)
    call.name = link.name
    call.expect(secret, link.expires_at - service.clock())
    return models.Made(link.name, secret, service.settings.origin(link.name), int(link.expires_at))


def status(service: Service, call: Call, _asked: models.OfUser) -> models.Status:
    """Get the state of a link."""
    return _status_of(service, service.links.of_owner(call.name, call.owner))


def job(service: Service, call: Call, asked: models.SetJob) -> models.Status:
    """Set the job of a link, once."""
    call.reason = f"job {asked.job_id}"
    return _status_of(service, service.links.set_job(call.name, call.owner, asked.job_id))


def cancel(service: Service, call: Call, asked: models.Cancel) -> models.Status:
    """End a link."""
    call.reason = asked.reason
    link = service.links.of_owner(call.name, call.owner)
    ended = service.links.end(link, Ending(Cause.CANCELLED, call.reason or "Cancelled by the user."))
    call.target = ended.target
    return _status_of(service, ended)


def _status_of(service: Service, link: Link) -> models.Status:
    return models.Status(
        name=link.name,
        state=link.state,
        cause=link.cause,
        reason=link.reason,
        job_id=link.job_id,
        url=service.settings.origin(link.name),
        expires=int(link.expires_at),
        ready=int(link.ready_at),
        ended=int(link.ended_at),
        seconds=link.seconds,
    )
