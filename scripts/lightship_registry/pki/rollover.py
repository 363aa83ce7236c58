"""The files of an authority that is being replaced. Each method is one change: a crash leaves it undone, or done.

The links' authority signs with the new key first, and the web server trusts the old certificate until its notebooks
have ended. The proxy's is trusted by new notebooks first, and signs when the notebooks from before have ended.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from enum import Enum, auto
from pathlib import Path

from cryptography import x509

from lightship_registry.core.files import write_beside
from lightship_registry.core.settings import Settings
from lightship_registry.core.together import write_together
from lightship_registry.pki.authorities import Authority, is_own, load_authority
from lightship_registry.pki.keystore import (
    NEXT,
    OLD,
    Keystore,
    anchor,
    beside,
    joined,
    key_of,
    key_pem,
    new_client,
    pem,
)

Files = dict[str, bytes | None]


class Stage(Enum):
    """How far a rollover is."""

    NONE = auto()
    # The command did not come to its end: it has to be run again.
    INTERRUPTED = auto()
    OVERLAP = auto()


class Rollover(ABC):
    """What both have in common."""

    name: str
    # What is there beside the present certificate from the first step to the last.
    kept: tuple[str, ...]

    def __init__(self, settings: Settings) -> None:
        self.keys = Keystore(settings)
        self.folder = self.keys.folders[0]
        self.present = self.folder / f"{self.name}.crt"
        self.next, self.old = beside(self.present, NEXT), beside(self.present, OLD)
        self._since = self.present.with_suffix(".since")

    @property
    def since(self) -> int:
        """Since when each claim takes part in the rollover; 0 if it was not brought so far."""
        try:
            return int(self._since.read_text("ascii"))
        except (OSError, ValueError):
            return 0

    @property
    def stage(self) -> Stage:
        """How far it is."""
        if not any(beside(self.present, which).exists() for which in self.kept):
            return Stage.NONE
        return Stage.OVERLAP if self.since else Stage.INTERRUPTED

    def mark(self, now: float) -> None:
        """Note that the service uses the new files: what is claimed from now on takes part."""
        # Rounded up: a claim within this second counts as one from before.
        write_beside(self._since, f"{math.ceil(now)}\n".encode("ascii"), 0o644)

    @abstractmethod
    def begin(self, now: float, given: Authority | None = None) -> None:
        """Make the next one, or take a given one, if that was not done before."""

    @abstractmethod
    def close(self) -> None:
        """End with one authority, as it began."""

    def _as_next(self, made: Authority) -> Files:
        # A mark that is there is of another rollover.
        return {**_pair(self.next, made), self._since.name: None}

    def _next_in_place(self) -> Files:
        """The next pair as the present one, and no mark."""
        return {
            self.present.name: self.next.read_bytes(),
            key_of(self.present).name: key_of(self.next).read_bytes(),
            **_none(self.next),
            self._since.name: None,
        }


class LinksRollover(Rollover):
    """Of the authority that signs notebooks' certificates."""

    name = "links"
    kept = (NEXT, OLD)

    def begin(self, now: float, given: Authority | None = None) -> None:
        """Make the next one, or take a given one, and let the web server trust it too."""
        if self.stage is Stage.NONE:
            made = given or self.keys.new_links(now)
            trusted = joined(self._anchor().decode("ascii"), anchor(pem(made.certificate))).encode("ascii")
            write_together(self.folder, {**self._as_next(made), self.keys.trusted.name: trusted})

    def has(self, which: Path, wanted: Authority | None) -> bool:
        """Whether a file is that of the given authority; of one that this host made, without one."""
        if not which.exists():
            return False
        found = x509.load_pem_x509_certificate(which.read_bytes())
        return found == wanted.certificate if wanted else is_own(found)

    @property
    def is_given(self) -> bool:
        """Whether the authority that signs alone is not one that this host made."""
        return self.stage is Stage.NONE and not self.has(self.present, None)

    def replace_above(self, given: Authority) -> None:
        """Have notebooks send the given certificates above the present authority."""
        text = pem(given.certificate, *given.above).encode("ascii")
        if self.present.read_bytes() != text:
            write_beside(self.present, text, 0o644)

    def _anchor(self) -> bytes:
        return anchor(self.present.read_text("ascii")).encode("ascii")

    def abandon(self) -> None:
        """Undo `begin`; what has signed already stays."""
        if self.next.exists():
            write_together(self.folder, {**_none(self.next), self.keys.trusted.name: self._anchor()})

    def switch(self) -> None:
        """Sign with the next one; the replaced key is gone."""
        if self.next.exists():
            write_together(self.folder, {**self._next_in_place(), self.old.name: self.present.read_bytes()})

    def distrust(self) -> None:
        """Take the old one from what the web server trusts."""
        write_beside(self.keys.trusted, self._anchor(), 0o644)

    def trust_again(self) -> None:
        """Undo `distrust`."""
        write_beside(self.keys.trusted, self.keys.trusted_pem().encode("ascii"), 0o644)

    def close(self) -> None:
        """Forget the old one."""
        write_together(self.folder, {self.old.name: None, self._since.name: None})


class ProxyRollover(Rollover):
    """Of the authority that signs the web server's client certificate."""

    name = "proxy"
    kept = (NEXT,)

    def begin(self, now: float, given: Authority | None = None) -> None:  # noqa: ARG002  none is given for the proxy
        """Make the next one, which new notebooks trust too."""
        if self.stage is Stage.NONE:
            write_together(self.folder, self._as_next(self.keys.new_proxy(now)))

    def close(self) -> None:
        """Let the next one be the only one; the replaced key is gone."""
        write_together(self.folder, self._next_in_place())


class ClientChange:
    """The change of the web server's client certificate. The one before is kept until the web server uses the new."""

    def __init__(self, settings: Settings) -> None:
        keys = Keystore(settings)
        self._folder = keys.folders[1]
        self.present = keys.client
        self.old = beside(keys.client, OLD)

    def sign(self, authority: Path, now: float) -> None:
        """Put a certificate of this authority in place, with a key of its own."""
        made = new_client(load_authority(authority, key_of(authority)), now)
        write_together(self._folder, {**_pair(self.present, made), **_moved(self.present, self.old)})

    def put_back(self) -> None:
        """Undo `sign`."""
        write_together(self._folder, {**_moved(self.old, self.present), **_none(self.old)})

    def keep(self) -> None:
        """Forget the one before."""
        write_together(self._folder, _none(self.old))


def _pair(certificate: Path, made: Authority) -> Files:
    text = pem(made.certificate, *made.above).encode("ascii")
    return {certificate.name: text, key_of(certificate).name: key_pem(made.key)}


def _none(certificate: Path) -> Files:
    return {certificate.name: None, key_of(certificate).name: None}


def _moved(source: Path, target: Path) -> Files:
    return {target.name: source.read_bytes(), key_of(target).name: key_of(source).read_bytes()}
