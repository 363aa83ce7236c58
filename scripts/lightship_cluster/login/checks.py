"""The doctor's checks: one function for each part of the way from a command line to a browser.

A check returns what it found in order. It raises a LightshipError for a fault that keeps notebooks from starting, and a
Doubt for one that may do so, or will. The list at the end has their order; each relies on those before.
"""

from __future__ import annotations

import os
import shutil
from functools import cached_property
from typing import Callable

from lightship_cluster import environments
from lightship_cluster.agent.client import AgentClient, AgentError
from lightship_cluster.config.settings import SiteSettings
from lightship_cluster.core.durations import humanized
from lightship_cluster.core.errors import ExitStatus, LightshipError
from lightship_cluster.core.job_log import last_lines
from lightship_cluster.core.link_folder import check_root, default_root
from lightship_cluster.login.links import MyLink, my_links
from lightship_cluster.login.plan import Plan
from lightship_cluster.registry_client.server_check import ServerCheck, check_server
from lightship_cluster.registry_client.transport import Transport
from lightship_protocol.signing import CLOCK_SECONDS

# From so many seconds on, the clock is worth a word though the registry still takes its requests.
CLOCK_DOUBT = 5
# Authorities recommend renewal when a third of the validity is left, or half of a short one.
RENEWED_SHARE = 1 / 6
# A name that the registry never gives: it has the same word three times.
NOBODY = "doctor-doctor-doctor"


class Doubt(LightshipError):  # noqa: N818 - a doubt is not yet an error
    """It works, but may not always or not for long."""


class Skip(Exception):  # noqa: N818 - no error: there is nothing to check
    """The reason why something cannot be checked."""


class Patient:
    """What the checks examine; each part is loaded once."""

    def __init__(self, load: Callable[[], SiteSettings]) -> None:
        self._load = load
        self._error: LightshipError | None = None

    @cached_property
    def settings(self) -> SiteSettings:
        """The settings of this command."""
        return self._load()

    @cached_property
    def plan(self) -> Plan:
        """What a plain start would do."""
        return Plan(self.settings, self.settings.choose({}))

    @cached_property
    def registry(self) -> ServerCheck:
        """The registry as a job sees it, without the agent."""
        # After one timeout, the next check must not wait again.
        if self._error:
            raise self._error
        try:
            return check_server(Transport(self.settings.registry, self.settings.ca_file))
        except LightshipError as error:
            self._error = error
            raise

    @cached_property
    def newest(self) -> MyLink | None:
        """The user's newest link on this cluster, dead or alive."""
        here = (link for link in my_links(default_root()) if link.cluster in ("", self.settings.cluster))
        return next(here, None)


Check = Callable[[Patient], str]


def settings(patient: Patient) -> str:
    """The files of the site, the cluster and the user."""
    read = patient.settings
    if read.warning:
        raise Doubt(read.warning, ExitStatus.SETTINGS)
    return f"cluster {read.cluster}, from " + ", ".join(str(layer.path) for layer in read.layers)


def programs(patient: Patient) -> str:
    """The programs that run on the node."""
    register = patient.settings.prefix / "bin" / "register-jupyter"
    if not os.access(register, os.X_OK):
        raise LightshipError(f"There is no {register} that you may run. Ask your administrators.", ExitStatus.SETTINGS)
    if not shutil.which("openssl"):
        raise Doubt("There is no openssl on your PATH here. Compute nodes need it.", ExitStatus.FAILED)
    return str(register)


def home(_patient: Patient) -> str:
    """The folder of the links' files."""
    check_root(default_root())
    return str(default_root())


def registry(patient: Patient) -> str:
    """The registry as a job sees it: its address, and a certificate that is trusted."""
    return f"{patient.settings.registry} answers; {_lasting(patient.registry)}"


def clock(patient: Patient) -> str:
    """This host's clock compared with the registry's."""
    off = patient.registry.clock_off
    if off is None:
        raise Skip("the registry does not tell its time")
    apart = f"The clocks of this host and of the registry are {humanized(off)} apart"
    if off > CLOCK_SECONDS:
        sentence = f"{apart}, so the registry refuses every request. Ask your administrators to set this host's."
        raise LightshipError(sentence, ExitStatus.REGISTRY)
    if off > CLOCK_DOUBT:
        raise Doubt(f"{apart}; from {CLOCK_SECONDS} s on nothing works. Tell your administrators.", ExitStatus.REGISTRY)
    return "this host and the registry agree"


def agent(patient: Patient) -> str:
    """The agent on this host, and the registry behind it, which must know the cluster's key."""
    settings = patient.settings
    theirs = AgentClient(settings.agent_socket).ping().get("cluster")
    if theirs != settings.cluster:
        sentence = f"The agent speaks for the cluster {theirs!r}, the settings for {settings.cluster!r}."
        raise LightshipError(f"{sentence} Ask your administrators.", ExitStatus.SETTINGS)
    return f"it answers at {settings.agent_socket}, and the registry behind it"


def states(patient: Patient) -> str:
    """Whether the agent can ask the scheduler for job states."""
    try:
        fault = AgentClient(patient.settings.agent_socket).scheduler_fault()
    except AgentError as error:
        if error.code == "bad-request":
            raise Doubt(error.sentence, error.status) from error  # an older agent, which works
        raise
    if fault:
        raise Doubt(
            f"The agent cannot ask how jobs are: {fault} Until that is right, the pages of links show no queue, and "
            "start-jupyter itself asks for its job, more seldom. Tell your administrators.",
            ExitStatus.SCHEDULER,
        )
    return "the agent can ask how jobs are"


def browser(patient: Patient) -> str:
    """The address of a link as a browser sees it, as far as this host can tell."""
    newest = patient.newest
    url = newest.url if newest and newest.alive else _any_link(patient.settings.registry)
    seen = check_server(Transport(url, patient.settings.ca_file))
    if seen.status in (502, 503, 504):
        raise LightshipError(
            f"{url} answers with status {seen.status}: the proxy cannot reach what is behind it. Start a new notebook; "
            "if it is the same with that, tell your administrators.",
            ExitStatus.REGISTRY,
        )
    return f"{url} answers (status {seen.status}); {_lasting(seen)}"


def folder(patient: Patient) -> str:
    """The top folder of a plain start's notebook."""
    return str(patient.plan.folder)


def scheduler(patient: Patient) -> str:
    """The scheduler of a plain start."""
    return patient.plan.scheduler.name


def script(patient: Patient) -> str:
    """The batch script of a plain start."""
    return str(patient.plan.script)


def job(patient: Patient) -> str:
    """Whether the scheduler has what a plain start asks for."""
    plan = patient.plan
    warning = plan.scheduler.check(plan.resources, plan.script)
    if warning:
        raise Doubt(warning, ExitStatus.PARTITION)
    return f"{plan.scheduler.name} can take a plain start"


def jupyter(patient: Patient) -> str:
    """The Jupyter of a plain start."""
    environment = patient.plan.environment
    warning = environment.check(patient.plan.interface, patient.plan.variables)
    if warning:
        raise Doubt(warning, ExitStatus.JUPYTER)
    return environments.description_of(environment)


def node(patient: Patient) -> str:
    """Whether nodes reach the registry; only the log of the last job can tell that here."""
    newest = patient.newest
    lines = last_lines(newest.folder, 1000) if newest else []
    if not newest or not lines:
        raise Skip("compute nodes are seen from here only after a first job: start-jupyter")
    if any(line.startswith("The link ") and line.endswith(" is open.") for line in lines):
        return f"your last job's node reached the registry ({newest.name})"
    if newest.alive:
        raise Skip(f"your newest job has not opened its link yet ({newest.name})")
    raise Doubt(f"Your last job ({newest.name}) did not open its link. It said: {lines[-1]}", ExitStatus.JOB)


CHECKS: tuple[tuple[str, Check], ...] = (
    ("settings", settings),
    ("programs", programs),
    ("home", home),
    ("registry", registry),
    ("clock", clock),
    ("agent", agent),
    ("states", states),
    ("browser", browser),
    ("folder", folder),
    ("scheduler", scheduler),
    ("script", script),
    ("job", job),
    ("jupyter", jupyter),
    ("node", node),
)


def _any_link(registry_url: str) -> str:
    # Links and the registry are names directly below the same domain.
    host, dot, domain = registry_url.partition("://")[2].partition(".")
    if not dot:
        raise Skip(f"the address of links cannot be told from {host}")
    return f"https://{NOBODY}.{domain}"


def _lasting(seen: ServerCheck) -> str:
    left = humanized(seen.seconds_left)
    if seen.share_left < RENEWED_SHARE:
        sentence = f"The certificate ends in {left} and should have been renewed. Tell your administrators."
        raise Doubt(sentence, ExitStatus.REGISTRY)
    return f"its certificate is trusted for {left} more"
