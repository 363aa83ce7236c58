"""A registry that Satellite's clients may use, and such a client."""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx

from lightship_registry.core.clock import Clock, steady
from lightship_registry.satellite.watch import SatelliteWatch
from unit.lightship_registry.testbed import DOMAIN, NODE, Hands, Testbed, build_testbed

LOGIN, OUTSIDE = "127.0.2.1", "127.9.0.1"
NETWORKS = {
    "demo": (ipaddress.ip_network("127.0.0.0/22"),),
    "other": (ipaddress.ip_network("127.8.0.0/16"), ipaddress.ip_network("fd00::/8")),
}
CLUSTERS = {"demo": (ipaddress.ip_network("127.0.0.0/23"),), "other": (ipaddress.ip_network("127.8.0.0/16"),)}
MANAGE = f"manage.{DOMAIN}:8443"


def build(folder: Path, **changes: Any) -> Testbed:
    """Notebooks of `demo` at 127.0.0.* and 127.0.1.*; 127.0.2.* has clients only, as a login node."""
    return build_testbed(folder, **{"clusters": CLUSTERS, "satellite_networks": dict(NETWORKS), **changes})


class Client:
    """What `curl` does, from one address."""

    def __init__(self, testbed: Testbed, address: str = LOGIN) -> None:
        self.testbed = testbed
        self.address = address

    def ask(
        self, path: str, *, method: str = "GET", body: bytes | None = None, headers: dict[str, str] | None = None
    ) -> httpx.Response:
        known = {"Host": MANAGE, "X-Real-IP": self.address, **(headers or {})}
        return self.testbed.send(method, path, headers=known, content=body)

    def get(self, path: str) -> str:
        answer = self.ask(path)
        assert answer.status_code == 200
        return answer.text

    def token(self) -> str:
        first, name, rest = self.get("/getlink.cgi").split("\n")
        assert (first, rest) == ("Your token is ", "")
        return name

    def redeem(self, name: str, port: int) -> str:
        return self.get(f"/redeemtoken.cgi?token={name}&port={port}")

    def state(self, name: str) -> str:
        return self.get(f"/tokenjobstate.cgi?token={name}")

    def report(self, lines: str) -> str:
        body = f"jobstates=\n{lines}".encode()
        form = {"Content-Type": "application/x-www-form-urlencoded"}
        return self.ask("/update-jobs.cgi", method="POST", body=body, headers=form).text


class Ticks:
    """A clock that does not run by itself."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


def watch_of(testbed: Testbed, ticks: Clock = steady) -> SatelliteWatch:
    parts = testbed.parts
    return SatelliteWatch(
        testbed.settings,
        parts.satellite_links,
        parts.publisher,
        parts.routing,
        parts.satellite_store,
        testbed.clock,
        ticks,
    )


class Rounds:
    """The watch, a round at a time; each waits for what it began. What ends in between is seen at the next."""

    def __init__(self, testbed: Testbed) -> None:
        self.ticks = Ticks()
        self.testbed = testbed
        # One loop for all rounds: the connections to the notebooks stand in it.
        self._runner = asyncio.Runner()
        self.watch = watch_of(testbed, self.ticks)
        testbed.afterwards.callback(self._close)

    def _close(self) -> None:
        async def close() -> None:
            self.watch.close()

        self._runner.run(close())
        self._runner.close()

    def go(self, times: int = 1, *, later: float = 0.0) -> None:
        async def rounds() -> None:
            for _ in range(times):
                await asyncio.gather(*await self.watch.start_round())

        self.ticks.now += later
        self._runner.run(rounds())

    def until(self, so: Callable[[], bool]) -> None:
        """Let the event loop hear what the kernel has to say of the connections; no round begins."""

        async def wait() -> None:
            async with asyncio.timeout(10):
                while not so():
                    await asyncio.sleep(0.001)

        self._runner.run(wait())


__all__ = ["LOGIN", "NODE", "OUTSIDE", "Client", "Hands", "Rounds", "build", "watch_of"]
