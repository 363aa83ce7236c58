"""Links of the benchmark: a name of three words and a target of its own, all of which one backend answers."""

from __future__ import annotations

import random
import string
from dataclasses import dataclass

from peers.settings import DOMAIN

BACKEND_PORT = 20_443
PER_OCTET = 250


@dataclass(frozen=True)
class Link:
    """A link: its host name and the address of its notebook."""

    number: int

    @property
    def name(self) -> str:
        """Return three words, as the registry's names are."""
        digits = [self.number // 26**place % 26 for place in range(5)]
        return f"link-number-bench{''.join(string.ascii_lowercase[digit] for digit in digits)}"

    @property
    def host(self) -> str:
        """Return the host name that browsers ask for."""
        return f"{self.name}.{DOMAIN}"

    @property
    def address(self) -> str:
        """Return an address of this machine's loopback network that no other link has."""
        high, low = divmod(self.number, PER_OCTET)
        return f"127.{1 + high // PER_OCTET}.{high % PER_OCTET}.{1 + low}"

    @property
    def authority(self) -> str:
        """Return address and port of the target."""
        return f"{self.address}:{BACKEND_PORT}"

    @property
    def target(self) -> str:
        """Return the target as the registry writes it into a route."""
        return f"https://{self.authority}"


# A link whose notebook shows another name's certificate. No server may pass a request on to it.
IMPOSTOR = Link(390_000)


def some(count: int, known: int, seed: int) -> list[Link]:
    """Return that many of the known links, the same ones for the same seed."""
    chosen = random.Random(seed)  # noqa: S311 - nothing secret
    return [Link(number) for number in chosen.sample(range(known), min(count, known))]
