"""Checks that the link's own notebook answers at a target, with a request like the web server's."""

from __future__ import annotations

import asyncio
import hashlib
import os
import ssl
from dataclasses import dataclass

from lightship_registry.core.errors import RegistryError
from lightship_registry.links.targets import Address, source_towards
from lightship_registry.pki.keystore import Keystore, key_of

PROBE_SECONDS = 5.0
# Each holds two file descriptors for as long as an untrusted notebook takes to answer.
PROBES_AT_ONCE = 32
LONGEST_LINE = 8192


@dataclass(frozen=True)
class Expected:
    """The host name and the certificate that the notebook must present."""

    host: str
    certificate_sha256: str


class Prober:
    """Connects with the web server's client certificate."""

    def __init__(self, keys: Keystore, seconds: float = PROBE_SECONDS) -> None:
        self._seconds = seconds
        self._under_way: set[str] = set()
        self._slots = asyncio.Semaphore(PROBES_AT_ONCE)
        # Loaded once: to read keys for each probe would block the event loop.
        self._context = ssl.create_default_context(cadata=keys.trusted_certificates())
        # Like the web server, it trusts an authority without the root above it, and takes an institution's as they are.
        self._context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
        self._context.verify_flags &= ~ssl.VERIFY_X509_STRICT
        self._context.minimum_version = ssl.TLSVersion.TLSv1_2
        self._context.load_cert_chain(keys.client, key_of(keys.client))

    async def probe(self, address: Address, port: int, expected: Expected) -> None:
        """Return if the notebook answers HTTP with the link's own certificate; otherwise raise what was wrong."""
        if expected.host in self._under_way:
            sentence = "This link's target is being tried already. Wait for that answer."
            raise RegistryError(sentence, "probe-under-way", 409)
        self._under_way.add(expected.host)
        try:
            async with self._slots:
                await self._probe(address, port, expected)
        finally:
            self._under_way.discard(expected.host)

    async def _probe(self, address: Address, port: int, expected: Expected) -> None:
        where = f"port {port} of {address}"
        try:
            async with asyncio.timeout(self._seconds):
                line = await self._first_line(address, port, expected)
        except ssl.SSLCertVerificationError as error:
            raise _wrong_certificate(where) from error
        except (OSError, asyncio.LimitOverrunError, ValueError, EOFError) as error:
            raise _no_answer(where, address, _why(error)) from error
        if not line.startswith(b"HTTP/1."):
            raise _no_answer(where, address, "what answers is not HTTP")

    async def _first_line(self, address: Address, port: int, expected: Expected) -> bytes:
        reader, writer = await asyncio.open_connection(
            str(address), port, ssl=self._context, server_hostname=expected.host, limit=LONGEST_LINE
        )
        try:
            peer = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
            if hashlib.sha256(peer).hexdigest() != expected.certificate_sha256:
                raise _wrong_certificate(f"port {port} of {address}")
            writer.write(f"GET /api HTTP/1.1\r\nHost: {expected.host}\r\nConnection: close\r\n\r\n".encode("ascii"))
            return await reader.readuntil(b"\r\n")
        finally:
            # Aborted: the peer is an untrusted user's program, and may never answer a TLS shutdown.
            writer.transport.abort()


def _wrong_certificate(where: str) -> RegistryError:
    sentence = f"Another certificate than this link's answers at {where}. Is the port somebody else's?"
    return RegistryError(sentence, "wrong-certificate", 502)


def _no_answer(where: str, address: Address, why: str) -> RegistryError:
    tried = f"No notebook answers at {where}, tried from {source_towards(address) or 'the proxy'} ({why})."
    return RegistryError(f"{tried} Start it first, and let the proxy reach the port.", "no-answer", 502)


def _why(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return "no answer in time: a firewall may be between"
    # The text of asyncio's error repeats the address.
    if isinstance(error, OSError) and error.errno and not isinstance(error, ssl.SSLError):
        return os.strerror(error.errno)
    return type(error).__name__
