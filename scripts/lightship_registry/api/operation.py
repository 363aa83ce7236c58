"""What is declared of each operation of the API; routes, checks and the description are made from it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from enum import Enum, auto
from functools import cached_property
from http import HTTPMethod
from typing import Any, get_args, get_origin, get_type_hints

from lightship_registry.api.calls import Call
from lightship_registry.api.models import Body
from lightship_registry.core.clock import Clock
from lightship_registry.core.observer import Observer
from lightship_registry.core.settings import Settings
from lightship_registry.links.jobs import Jobs
from lightship_registry.links.lifecycle import Links
from lightship_registry.links.probe import Prober
from lightship_registry.links.publisher import Publisher
from lightship_registry.tunnels.tunnels import Tunnels

Codes = dict[int, tuple[str, ...]]

# What every request with a body to read can meet, and what each proof adds.
ANY: Codes = {
    400: ("bad-request",),
    408: ("too-slow",),
    413: ("too-large",),
    500: ("registry-error",),
}


class Proof(Enum):
    """Who may ask: an agent by its cluster's key, a job by its link's secret, everybody."""

    SIGNATURE = auto()
    SECRET = auto()
    NONE = auto()


PROOF_CODES: dict[Proof, Codes] = {
    Proof.SIGNATURE: ANY | {403: ("refused", "clock", "replayed")},
    Proof.SECRET: ANY | {403: ("refused",)},
    Proof.NONE: {},
}


@dataclass(frozen=True)
class Service:
    """The parts of the registry that handlers use."""

    settings: Settings
    links: Links
    publisher: Publisher
    jobs: Jobs
    tunnels: Tunnels
    prober: Prober
    client_ca: str
    clock: Clock
    observer: Observer


# Its annotation says which models it takes and returns, its first line what it is for. It works in a thread; if the
# answer needs the network, it returns what the event loop is to wait for.
Handler = Callable[[Service, Call, Any], Any]


@dataclass(frozen=True)
class Operation:
    """One line of the API; a GET asks by its query."""

    method: HTTPMethod
    path: str
    proof: Proof
    # In the audit and in the metrics.
    action: str
    handler: Handler
    # Those beyond what its proof can meet.
    codes: Codes = field(default_factory=dict)
    status: int = 200
    # Success is too common to be recorded.
    quiet: bool = False
    # In the description, if it differs.
    called: str = ""

    @property
    def name(self) -> str:
        """As programs call it."""
        return self.called or self.action

    @property
    def summary(self) -> str:
        """What it is for, as its handler says."""
        return self.handler.__doc__ or ""

    @property
    def failures(self) -> Codes:
        """All codes that it can answer, by status."""
        return PROOF_CODES[self.proof] | self.codes

    @cached_property
    def asked(self) -> type[Body]:
        """What the request says."""
        model: type[Body] = list(get_type_hints(self.handler).values())[2]
        return model

    @cached_property
    def answered(self) -> Any:  # noqa: ANN401 - a model, or a plain type
        """What is answered."""
        hint = get_type_hints(self.handler)["return"]
        return get_args(hint)[0] if get_origin(hint) is Awaitable else hint
