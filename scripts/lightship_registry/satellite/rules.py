"""The requests of the Satellite interface, and its words for the state of a link.

Satellite recognises clusters by address, and knows neither users nor secrets: whoever asks from a cluster's networks
and knows a name may make these requests. So none of them can reach a link of Lightship's own interface.
"""

from __future__ import annotations

import re
import threading
from itertools import islice

from lightship_protocol.states import ENDED, JOB_ENDED, JOB_QUEUED, JOB_RUNNING, READY, STARTING, WAITING
from lightship_registry.core import errors
from lightship_registry.core.clock import Clock
from lightship_registry.core.errors import RegistryError
from lightship_registry.core.interfaces import SATELLITE
from lightship_registry.core.records import Cause, Ending, Link, LinkRequest, NewLink, Owner
from lightship_registry.core.settings import Settings
from lightship_registry.links import names, targets
from lightship_registry.links.lifecycle import Links
from lightship_registry.links.publisher import Publisher
from lightship_registry.store.links import HOUR
from lightship_registry.store.satellite import SatelliteStore

DESTROYED = Ending(Cause.CANCELLED, "Its token was destroyed.")
# Older reports on jobs are ignored.
STALE_SECONDS = 600.0
# More jobs than a large cluster has; they need some megabytes at most.
MOST_TOLD = 50_000
# Queued, running, dead, unknown; pending, mapped, proxied.
QUEUED, RUNNING, DEAD, UNKNOWN, PENDING, MAPPED, PROXIED = "Q", "R", "D", "U", "PE", "M", "PR"
BY_STATE = {WAITING: PENDING, STARTING: MAPPED, READY: PROXIED, ENDED: DEAD}
BY_JOB = {JOB_QUEUED: QUEUED, JOB_RUNNING: RUNNING}

# Slurm's and PBS's words for a job's state, short and long; other words are ignored.
_QUEUED_WORDS = "CF PD RF RH RQ RS H Q T W CONFIGURING PENDING REQUEUE_FED REQUEUE_HOLD REQUEUED RESIZING"
_ENDED_WORDS = (
    "BF CA CD CG DL F NF OOM PR RD RV SI SE SO ST S TO C E BOOT_FAIL CANCELLED COMPLETED COMPLETING DEADLINE FAILED"
    " NODE_FAIL OUT_OF_MEMORY PREEMPTED RESV_DEL_HOLD REVOKED SIGNALING SPECIAL_EXIT STAGE_OUT STOPPED SUSPENDED"
    " TIMEOUT"
)
JOB_WORDS = {
    **dict.fromkeys(_QUEUED_WORDS.replace("_", "").split(), JOB_QUEUED),
    **dict.fromkeys(["R", "RUNNING"], JOB_RUNNING),
    **dict.fromkeys(_ENDED_WORDS.replace("_", "").split(), JOB_ENDED),
}
JOB_REST = re.compile(r"[^A-Za-z0-9._-]")
LONGEST_JOB = 47


class SatelliteRules:
    """The six requests. The caller is known by its address."""

    def __init__(
        self, settings: Settings, links: Links, publisher: Publisher, store: SatelliteStore, clock: Clock
    ) -> None:
        self._settings = settings
        self._links = links
        self._publisher = publisher
        self._store = store
        self._clock = clock
        self._networks = settings.satellite_networks
        self._told = {cluster: ToldStates() for cluster in self._networks}

    def cluster_of(self, address: targets.Address) -> str:
        """The cluster that the address belongs to; an error if there is none."""
        for cluster, networks in self._networks.items():
            if any(address in network for network in networks):
                return cluster
        sentence = "Your address is in no cluster's networks. Try again from within the cluster."
        raise RegistryError(sentence, "wrong-network", 403)

    def get_link(self, cluster: str, address: targets.Address) -> NewLink:
        """Make a link for the longest time allowed: the request does not name a time."""
        request = LinkRequest(self._settings.max_hours * HOUR)
        # Not a valid name of a Unix user, so no cluster can vouch for such an owner.
        link, _ = self._links.create(Owner(cluster, f"{SATELLITE.name}:{address}"), request)
        return link

    def link_token(self, cluster: str, name: str, job_id: str) -> Link:
        """Set the job, once."""
        link = self._live(cluster, name)
        if not self._store.link_job(name, cluster, job_id):
            raise errors.conflict("That token is linked to a jobid already, or was just destroyed.", "job-set")
        now = self._clock()
        # The job may be reported before its submitter says which link it belongs to.
        state, told_at = self._told[cluster].of(job_id, now)
        if state:
            self._store.report_jobs(cluster, {job_id: state}, told_at)
        return link

    def redeem(self, cluster: str, name: str, address: targets.Address, port: int) -> Link:
        """Announce, once, the port of the notebook. It listens, or soon will, on the host that asks."""
        link = self._live(cluster, name)
        targets.require_port(port)
        targets.require_allowed(self._settings, cluster, address)
        self._publisher.announce(link, targets.target_of(address, port))
        return link

    def destroy(self, cluster: str, name: str, address: targets.Address) -> Link:
        """End the link. Once it is redeemed, only the host that redeemed it may do so."""
        found = self._find(cluster, name)
        if found and found.state == ENDED and found.reason != DESTROYED.reason and _redeemed_on(found, address):
            # The notebook stopped before the last line of its job's script: the job did not fail.
            return found
        link = self._live(cluster, name)
        if link.announced and not _redeemed_on(link, address):
            raise errors.conflict("That token was redeemed on another host, which alone may destroy it.", "wrong-host")
        return self._links.end(link, DESTROYED)

    def state(self, cluster: str, name: str) -> str:
        """The state of the link, in Satellite's words."""
        return state_word(self._find(cluster, name), self._clock())

    def report(self, cluster: str, said: dict[str, str]) -> None:
        """Store reports on jobs. Nobody vouches for them, so they are only shown, and end no link."""
        now = self._clock()
        self._told[cluster].note(said, now)
        self._store.report_jobs(cluster, said, now)

    def _find(self, cluster: str, name: str) -> Link | None:
        return self._store.find(name, cluster) if names.is_name(name) else None

    def _live(self, cluster: str, name: str) -> Link:
        link = self._find(cluster, name)
        # The same answer for names that are unknown, of another cluster, of the other interface, or ended.
        if link is None or link.state == ENDED:
            raise errors.conflict("Unknown token, or one that was destroyed.", "no-such-link")
        return link


def _redeemed_on(link: Link, address: targets.Address) -> bool:
    return bool(link.announced) and targets.parts_of(link.announced)[0] == address


class ToldStates:
    """The latest report on each job, whether or not it has a link; a limited number of them."""

    def __init__(self) -> None:
        self._states: dict[str, tuple[str, float]] = {}
        self._lock = threading.Lock()

    def note(self, said: dict[str, str], now: float) -> None:
        """Add the reports to the earlier ones."""
        with self._lock:
            # The newest are last.
            older = {job: told for job, told in self._states.items() if job not in said and _fresh(told[1], now)}
            both = [*older.items(), *((job, (state, now)) for job, state in said.items())]
            self._states = dict(both[-MOST_TOLD:])

    def of(self, job_id: str, now: float) -> tuple[str, float]:
        """A job's state and the time of the report; empty if there is none, or only an old one."""
        state, told_at = self._states.get(job_id, ("", 0.0))
        return (state, told_at) if _fresh(told_at, now) else ("", 0.0)


def _fresh(told_at: float, now: float) -> bool:
    return 0 <= now - told_at <= STALE_SECONDS


def state_word(link: Link | None, now: float) -> str:
    """Satellite's word for the state; for a waiting link the state of its job, if a recent report has one."""
    # A destroyed link is answered like an unknown one.
    if link is None or link.cause == DESTROYED.cause:
        return UNKNOWN
    if link.state == READY and link.lease_until <= now:
        return MAPPED
    told = link.job_state if link.job_id and _fresh(link.job_seen_at, now) else ""
    if told == JOB_ENDED:
        return DEAD
    return BY_JOB.get(told, PENDING) if link.state == WAITING else BY_STATE[link.state]


def job_of(text: str) -> str:
    """The id of a job, in the form that both requests use."""
    job_id = JOB_REST.sub("", text)
    if not 1 <= len(job_id) <= LONGEST_JOB:
        raise errors.invalid(f"Missing 'jobid' parameter, or one of more than {LONGEST_JOB} characters.")
    return job_id


def jobs_in(text: str) -> dict[str, str]:
    """Parse lines of a job and a word; unknown words and other lines are ignored. The states, by job.

    Empty lines cost next to nothing, and lines beyond the limit nothing: a body can hold a million of them.
    """
    said: dict[str, str] = {}
    for line in islice(filter(str.strip, text.splitlines()), MOST_TOLD):
        job, word, *_ = *line.split(maxsplit=2), ""
        job_id = JOB_REST.sub("", job)[: LONGEST_JOB + 1]
        state = JOB_WORDS.get(re.sub(r"[^A-Z]", "", word.upper()), "")
        if job_id and state:
            said[job_id] = state
    return said
