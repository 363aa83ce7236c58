"""Server-sent events for the pages that stay up to date: what changed of a link, as soon as it did."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from dataclasses import dataclass

from sqlalchemy.exc import SQLAlchemyError
from starlette.concurrency import run_in_threadpool
from starlette.responses import StreamingResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from lightship_protocol.states import READY, STARTING, WAITING
from lightship_registry.core import audit
from lightship_registry.core.clock import Clock, steady
from lightship_registry.core.db_errors import explain
from lightship_registry.core.records import Link
from lightship_registry.pages import running, waiting

MOST = 500
MOST_PER_LINK = 4
LOOK_SECONDS = 1.0
# Well within the time after which the web server gives up on a silent upstream.
COMMENT_SECONDS = 15.0
# Then the browser connects again: nothing lives for ever that a lost client might have left behind.
LONGEST_SECONDS = 14 * 60.0

Find = Callable[[str], Link | None]


@dataclass(frozen=True)
class Feed:
    """What one kind of page hears: texts by name, as long as the link is in one of the states."""

    states: frozenset[str]
    texts: Callable[[Link, float], dict[str, str]]
    # What nobody waits for is looked at less often.
    every: int = 1
    # The share of the listeners' slots that this page leaves to others.
    spares: float = 0.0


ROOM = Feed(frozenset({WAITING, STARTING}), waiting.state_of)
# Some keep such a page open for days: those who wait for theirs must not be kept from listening, nor the store busy.
STATUS = Feed(frozenset({READY}), running.state_of, every=5, spares=0.5)


class Events:
    """Everybody who listens, and what they hear."""

    def __init__(self, find: Find, clock: Clock, ticks: Clock = steady) -> None:
        self._find = find
        self._clock = clock
        self._ticks = ticks
        self._listeners: Counter[str] = Counter()
        self._open: set[asyncio.Future[None]] = set()
        self._closed = False

    @property
    def count(self) -> int:
        """How many listen."""
        return self._listeners.total()

    def full(self, name: str, feed: Feed) -> bool:
        """No room for another listener to this link."""
        most = MOST * (1 - feed.spares)
        return self._closed or self.count >= most or self._listeners[name] >= MOST_PER_LINK

    def close(self) -> None:
        """Let go of everybody: a service that stops waits for no listener."""
        self._closed = True
        for over in self._open:
            if not over.done():
                over.set_result(None)

    @contextlib.contextmanager
    def listening(self, name: str) -> Iterator[asyncio.Future[None]]:
        """Count a listener to this link; the future is done when it has to go."""
        over = asyncio.get_running_loop().create_future()
        self._listeners[name] += 1
        self._open.add(over)
        try:
            yield over
        finally:
            self._open.discard(over)
            self._listeners[name] -= 1
            # Names that nobody listens to any more must not add up.
            self._listeners += Counter()

    async def texts(self, name: str, feed: Feed, over: asyncio.Future[None]) -> AsyncIterator[str]:
        """What one listener hears until the page is over, it has to go, or time is up."""
        known: dict[str, str] = {}
        begun = spoken = self._ticks()
        while not over.done() and self._ticks() - begun < LONGEST_SECONDS:
            link = await self._look(name)
            if link is None:
                return
            if link.state not in feed.states:
                yield _event({"over": link.state})
                return
            state = feed.texts(link, self._clock())
            changed = {key: text for key, text in state.items() if known.get(key) != text}
            if changed or self._ticks() - spoken >= COMMENT_SECONDS:
                yield _event(changed) if changed else ": still here\n\n"
                known, spoken = state, self._ticks()
            await asyncio.wait({over}, timeout=LOOK_SECONDS * feed.every)

    async def _look(self, name: str) -> Link | None:
        try:
            return await run_in_threadpool(self._find, name)
        except SQLAlchemyError as error:
            audit.problem(f"events: {explain(error)}")
            return None


class EventStream(StreamingResponse):
    """The answer to one listener, or `busy` when there are too many."""

    def __init__(self, events: Events, name: str, feed: Feed, headers: Mapping[str, str], busy: ASGIApp) -> None:
        # The last one tells nginx to pass each line on as it comes.
        kind = {"Content-Type": "text/event-stream; charset=utf-8", "X-Accel-Buffering": "no"}
        super().__init__((), headers={**headers, **kind})
        self._events = events
        self._name = name
        self._feed = feed
        self._busy = busy

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Speak until there is nothing more to say, or nobody listens."""
        if self._events.full(self._name, self._feed):
            await self._busy(scope, receive, send)
            return
        with self._events.listening(self._name) as over:
            self.body_iterator = self._events.texts(self._name, self._feed, over)
            await super().__call__(scope, receive, send)


def _event(changed: dict[str, str]) -> str:
    # Without a line feed in it: JSON escapes them. What it holds is text, and the page's script treats it as such.
    return f"event: state\ndata: {json.dumps(changed)}\n\n"
