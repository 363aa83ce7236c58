"""Answers the questions of users: each becomes one signed request to the registry."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Callable

from lightship_cluster.agent.job_states import JobStates
from lightship_cluster.registry_client.registry import SignedRegistry
from lightship_cluster.registry_client.transport import Answer, Unreachable
from lightship_cluster.schedulers.base import JobState
from lightship_protocol import forms, limits
from lightship_protocol.states import ENDED, SUBJECTS

LONGEST_TEXT = 200


@dataclass(frozen=True)
class Peer:
    """The user who asks, as the kernel says."""

    uid: int
    user: str


Operation = Callable[[Peer, dict[str, Any]], Answer]


class BadRequest(Exception):  # noqa: N818 - it becomes an answer
    """A question that the agent does not know."""


class Requests:
    """Answers questions; its only state is that of the jobs."""

    def __init__(self, registry: SignedRegistry, jobs: JobStates) -> None:
        self._registry = registry
        self._jobs = jobs
        self._operations: dict[str, Operation] = {
            "ping": lambda _peer, _question: registry.ping(),
            "scheduler": lambda _peer, _question: Answer(200, {"fault": jobs.check.fault()}),
            "create": self._create,
            "job": self._set_job,
            "status": lambda peer, question: registry.status(peer.user, _name(question)),
            "cancel": self._cancel,
            "keys": lambda peer, _question: registry.keys(peer.user),
            "key-add": lambda peer, question: registry.add_key(peer.user, _key(question)),
            "key-remove": lambda peer, question: registry.remove_key(peer.user, _fingerprint(question)),
        }

    def answer(self, peer: Peer, question: dict[str, Any]) -> dict[str, Any]:
        """Answer one question."""
        try:
            answer = self._operation(question)(peer, question)
        except BadRequest as error:
            return refusal("bad-request", str(error))
        except Unreachable as error:
            return refusal("registry-unreachable", f"The registry cannot be reached ({error}). {_ASK}")
        return self._with_job(peer, answer.body) if answer.ok else _refused(answer)

    def _operation(self, question: dict[str, Any]) -> Operation:
        operation = self._operations.get(str(question.get("op")))
        if operation is None:
            raise BadRequest("op must be one of " + ", ".join(sorted(self._operations)) + ".")
        return operation

    def _create(self, peer: Peer, question: dict[str, Any]) -> Answer:
        seconds = question.get("seconds")
        if not isinstance(seconds, int) or isinstance(seconds, bool) or seconds < 1:
            raise BadRequest("seconds must be a whole number, 1 or more.")
        told = {
            "title": _text(question, "title"),
            "command": _text(question, "command", limits.COMMAND),
            "token_sha256": _digest(question, "token_sha256"),
            "subject": _subject(question),
        }
        # Without empty texts: an older registry does not know all of them.
        return self._registry.create(peer.user, seconds, {key: text for key, text in told.items() if text})

    def _set_job(self, peer: Peer, question: dict[str, Any]) -> Answer:
        job_id = question.get("job_id")
        if not isinstance(job_id, str) or not forms.JOB_ID.fullmatch(job_id):
            raise BadRequest("job_id must be the scheduler's number of the job.")
        return self._registry.set_job(peer.user, _name(question), job_id)

    def _cancel(self, peer: Peer, question: dict[str, Any]) -> Answer:
        return self._registry.cancel(peer.user, _name(question), _text(question, "reason"))

    def _with_job(self, peer: Peer, body: dict[str, Any]) -> dict[str, Any]:
        reply: dict[str, Any] = {**body, "ok": True}
        job_id = body.get("job_id")
        # Nobody waits for the job of an ended link, and the number of jobs that are polled is limited.
        if isinstance(job_id, str) and forms.JOB_ID.fullmatch(job_id) and body.get("state") != ENDED:
            reply["job"] = _visible(peer, self._jobs.get(job_id))
        return reply


def refusal(code: str, sentence: str) -> dict[str, Any]:
    """The reply of a refusal."""
    return {"ok": False, "code": code, "error": sentence}


_ASK = "Try again in a minute; if it lasts, tell your administrators."


def _refused(answer: Answer) -> dict[str, Any]:
    if answer.status >= 500 or not answer.code:
        return refusal("registry-unreachable", f"The registry is out of order (status {answer.status}). {_ASK}")
    if answer.code == "refused":
        hint = "The cluster's key or this host's clock may be wrong; tell your administrators."
        return refusal("refused", f"{answer.error} {hint}")
    if answer.code == "no-such-address":
        old = "The centre's registry is older than this command. Ask your administrators to bring it up to date."
        return refusal(answer.code, old)
    return refusal(answer.code, answer.error)


def _visible(peer: Peer, job: JobState | None) -> dict[str, str | int] | None:
    # The number came from a user, so the job may be somebody else's; its state is then not shown.
    if job is None or job.uid not in (peer.uid, -1):
        return None
    return {"state": job.state, "reason": job.reason, "start": job.start, "node": job.node}


def _name(question: dict[str, Any]) -> str:
    name = question.get("name")
    if not isinstance(name, str) or not forms.LINK.fullmatch(name):
        raise BadRequest("name must be the three words of a link.")
    return name


def _text(question: dict[str, Any], key: str, longest: int = LONGEST_TEXT) -> str:
    text = question.get(key, "")
    if not isinstance(text, str) or len(text) > longest or not text.isprintable():
        raise BadRequest(f"{key} must be one line of at most {longest} characters.")
    return text


def _key(question: dict[str, Any]) -> str:
    key = _text(question, "key", limits.SSH_KEY)
    if not key or not key.isascii():
        raise BadRequest("key must be a public key, in ASCII.")
    return key


def _fingerprint(question: dict[str, Any]) -> str:
    fingerprint = question.get("fingerprint")
    if not isinstance(fingerprint, str) or not forms.FINGERPRINT.fullmatch(fingerprint):
        raise BadRequest("fingerprint must be SHA256: and 43 characters of base64.")
    return fingerprint


def _subject(question: dict[str, Any]) -> str:
    subject = question.get("subject", "")
    # A subject that only a newer start-jupyter knows is left out.
    return subject if subject in SUBJECTS else ""


def _digest(question: dict[str, Any], key: str) -> str:
    text = question.get(key, "")
    if text != "" and not (isinstance(text, str) and forms.SHA256.fullmatch(text)):
        raise BadRequest(f"{key} must be 64 hexadecimal digits in lower case.")
    return str(text)
