"""The job's requests to the registry: claim the link, publish the port, renew the lease, end the link."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Callable

from lightship_cluster.core.errors import ExitStatus, LightshipError
from lightship_cluster.core.job_log import say
from lightship_cluster.registry_client.registry import LinkRegistry
from lightship_cluster.registry_client.transport import Answer, Unreachable, while_busy

CLAIM_SECONDS = 120.0
PUBLISH_SECONDS = 120.0
# A part of the half minute that schedulers give a job to end.
END_SECONDS = 5.0
LONGEST_PAUSE = 5.0
RETRY_SECONDS = 5.0
TIME_OVER = "The time asked for is over."
LINK_OVER = "The link was ended before its notebook was open. Start a new notebook."
TARGET_TAKEN, NO_ANSWER, BAD_ADDRESS = "target-taken", "no-answer", "bad-address"
# Refusals that may pass soon: a port that rests after another link, a firewall that opens late.
PASSING = (TARGET_TAKEN, NO_ANSWER)


@dataclass(frozen=True)
class Claim:
    """The registry's answer to a claim."""

    certificate: str
    client_ca: str
    expires: float
    heartbeat: float
    host: str
    origin: str


def claim(registry: LinkRegistry, request: str, location: Mapping[str, str]) -> Claim:
    """Exchange the certificate request for the link's certificate."""
    body = _granted(patiently(lambda: registry.claim(request, location), CLAIM_SECONDS)).body
    try:
        return Claim(
            certificate=str(body["certificate"]),
            client_ca=str(body["client_ca"]),
            expires=float(body["expires"]),
            heartbeat=max(1.0, float(body["heartbeat"])),
            host=str(body["host"]),
            origin=str(body["origin"]),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise LightshipError(
            f"The registry's answer lacks {error}. Tell your administrators.", ExitStatus.REGISTRY
        ) from error


def publish(registry: LinkRegistry, address: str, port: int) -> None:
    """Open the link; return when the registry has reached the notebook."""
    answer = patiently(lambda: registry.target(port), PUBLISH_SECONDS, PASSING)
    if answer.code == TARGET_TAKEN:
        raise LightshipError(
            f"Port {port} of this node belongs to another link, or did until lately. Start again.", ExitStatus.PORT
        )
    if answer.code in (NO_ANSWER, BAD_ADDRESS):
        raise LightshipError(_unreached(answer.error, address, port), ExitStatus.REGISTRY)
    _granted(answer)


def _unreached(said: str, address: str, port: int) -> str:
    # The link's page shows the beginning.
    listens = f"The notebook listens at port {port} of {address}"
    if not re.search(rf"(?<![\w.:]){re.escape(address)}(?![\w.:]*\w)", said):
        listens += (
            ", but the proxy sees this node at another address (NAT) and cannot reach it. Tell your administrators"
        )
    return f"{listens}. The registry says: {said}"


def end(registry: LinkRegistry, cause: str, reason: str, tail: str = "") -> None:
    """End the link and say why; without an answer, its lease ends soon."""
    answer, failure = _attempt(lambda: while_busy(lambda: registry.end(cause, reason, tail), END_SECONDS))
    if not answer or answer.busy:
        why = answer.error if answer else failure
        say(f"Could not tell the registry that the link has ended ({why}). It ends by itself.")


def patiently(send: Callable[[], Answer], seconds: float, passing: tuple[str, ...] = ()) -> Answer:
    """Repeat a request while its failure may pass, for at most these seconds."""
    deadline, pause = time.monotonic() + seconds, 0.5
    while True:
        answer, failure = _attempt(send)
        if answer and not (_is_passing(answer) or answer.code in passing):
            return answer
        wait = max(pause, answer.retry_after if answer else 0.0)
        if time.monotonic() + wait > deadline:
            if answer:
                return answer
            raise _unreachable(failure)
        time.sleep(wait)
        pause = min(2 * pause, LONGEST_PAUSE)


class Heart:
    """Renews the lease, and tells when the notebook must stop."""

    # How long the registry must refuse before it is believed. A failing web server cannot send this refusal, but a new
    # proxy host does: until its backup is restored, it knows no link.
    REFUSED_SECONDS = 900.0
    # The busy answers in a row that are not reported.
    PATIENT_TRIES = 4

    def __init__(self, registry: LinkRegistry, expires: float) -> None:
        self._registry = registry
        self._expires = expires
        self._refused_since = 0.0
        self._silent = False
        # The number of busy answers in a row, and the seconds until the next try.
        self._busy = 0
        self._wait = 0.0

    def pause(self, heartbeat: float) -> float:
        """The seconds until the next heartbeat; short after a failed one, while the lease still holds."""
        if self._busy:
            return min(heartbeat, self._wait)
        return min(heartbeat, RETRY_SECONDS) if self._silent else heartbeat

    def beat(self) -> str:
        """Send one heartbeat; return the reason why the notebook must stop, or an empty text."""
        if time.time() >= self._expires:
            return TIME_OVER
        answer, failure = _attempt(self._registry.heartbeat)
        self._busy = self._busy + 1 if answer and answer.busy else 0
        if answer and self._busy:
            # Longer each time, since many jobs may have been asked to wait.
            self._wait = max(answer.wait, min(0.5 * 2**self._busy, RETRY_SECONDS))
            if self._busy < self.PATIENT_TRIES:
                return ""
        if answer and answer.ok:
            self._refused_since = 0.0
            self._tell(silent=False)
            return ""
        if answer and answer.code == "ended":
            return "The link was ended."
        now = time.monotonic()
        self._refused_since = (self._refused_since or now) if answer and answer.code == "refused" else 0.0
        if self._refused_since and now - self._refused_since >= self.REFUSED_SECONDS:
            return "The registry no longer knows the link."
        self._tell(silent=True, why=answer.error if answer else failure)
        return ""

    def _tell(self, *, silent: bool, why: str = "") -> None:
        if silent and not self._silent:
            say(f"The registry does not answer ({why}). Your work goes on; the link may be closed for a while.")
        elif self._silent and not silent:
            say("The registry answers again.")
        self._silent = silent


def _unreachable(why: str) -> LightshipError:
    """The error for a node that cannot reach the registry."""
    return LightshipError(
        f"The registry cannot be reached from this node ({why}). Tell your administrators.", ExitStatus.REGISTRY
    )


def _attempt(send: Callable[[], Answer]) -> tuple[Answer | None, str]:
    try:
        return send(), ""
    except Unreachable as error:
        return None, str(error)


def _is_passing(answer: Answer) -> bool:
    # Without a code, or with the last one, the web server answers: the registry is restarting.
    unready = answer.code in ("", "registry-error", "registry-unreachable")
    return answer.busy or answer.status in (408, 429) or (answer.status >= 500 and unready)


def _granted(answer: Answer) -> Answer:
    if answer.ok:
        return answer
    if answer.code == "ended":
        raise LightshipError(LINK_OVER, ExitStatus.LINK_ENDED)
    if answer.status in (403, 409, 410) and answer.code not in PASSING:
        raise LightshipError(f"{answer.error} Start a new notebook.", ExitStatus.LINK_ENDED)
    raise LightshipError(f"The registry says: {answer.error}", ExitStatus.REGISTRY)
