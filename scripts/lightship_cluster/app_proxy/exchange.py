"""Forwards one request to the program and its answer back; then the connection to the program is closed."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable
from contextlib import suppress
from typing import Callable

from lightship_cluster.app_proxy.http1 import (
    CHUNKED,
    CLOSED,
    HOP_BY_HOP,
    PIECE,
    BadMessageError,
    Head,
    answer_length,
    body_length,
    copy_body,
    read_answer,
    status_of,
)
from lightship_cluster.app_proxy.pages import AWAY, BAD, Refusal, tell
from lightship_cluster.core.job_log import say_once
from lightship_protocol.centre import Centre

CONNECT_SECONDS, UPGRADE_SECONDS, LINGER_SECONDS, GONE_SECONDS = 10.0, 60.0, 5.0, 0.5
# The kernel's number of the state (netinet/tcp.h).
ESTABLISHED = 1
SWITCHED = 101

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]
Connect = Callable[[], Awaitable[Streams]]


class Exchange:
    """One request of a browser with the token, and the program's answer."""

    def __init__(self, head: Head, browser: Streams, centre: Centre, *, last: bool) -> None:
        self._head = head
        self._method = head.line.partition(" ")[0]
        self._reader, self._writer = browser
        self._centre = centre
        # Checked before anything is sent: a request whose length is in doubt is refused.
        self._length = body_length(head)
        self._upgrade = bool(head.all("upgrade"))
        if self._upgrade and self._length != 0:
            raise BadMessageError("another protocol, and a body")
        self._last = last or self._upgrade
        self._answered = self._whole = self._sent = False

    async def run(self, connect: Connect) -> bool:
        """Forward the request and the answer; return whether another request may follow on this connection."""
        try:
            program = await asyncio.wait_for(connect(), CONNECT_SECONDS)
        except (OSError, asyncio.TimeoutError) as error:
            say_once(f"The program took no connection ({error!r}), so the browser was shown a 502.")
            await turn_away((self._reader, self._writer), AWAY, self._centre)
            return False
        try:
            program[1].write(self._head.encode())
            # A program may close the connection before it has read the whole request.
            with suppress(ConnectionError):
                await _first_of(self._send_body(program[1]), self._return_answer(program), _gone(self._writer))
        except BadMessageError:
            if not self._answered:
                await tell(self._writer, BAD, self._centre)
        finally:
            _drop(program[1])
        if not self._sent:
            await _linger(self._reader)
        return self._sent and self._whole and not self._last

    async def _send_body(self, program: asyncio.StreamWriter) -> None:
        try:
            await copy_body(self._length, self._reader, program)
            self._sent = True
        except ConnectionError:
            if self._reader.exception():
                raise  # the browser closed the connection, not the program
            # The program has read enough; its answer says why.
        # Later bytes are another request, or belong to the program after an upgrade.
        await asyncio.Event().wait()

    async def _return_answer(self, program: Streams) -> None:
        answer = await self._answer(program[0])
        if answer is None:
            self._last = True
            await tell(self._writer, AWAY, self._centre)
            return
        self._answered = True
        if status_of(answer) == SWITCHED:
            self._writer.write(answer.encode())
            await _first_of(_copy(self._reader, program[1]), _copy(program[0], self._writer))
            return
        length = answer_length(answer, self._method)
        self._last = self._last or length == CLOSED
        dropped = [*HOP_BY_HOP, *(["content-length"] if length == CHUNKED else [])]
        self._writer.write(
            answer.changed(answer.line, dropped, [("Connection", "close")] if self._last else []).encode()
        )
        if length == CLOSED:
            await _copy(program[0], self._writer)
        else:
            await copy_body(None if length == CHUNKED else length, program[0], self._writer, mend=True)
            await self._writer.drain()
        self._whole = True

    async def _answer(self, program: asyncio.StreamReader) -> Head | None:
        """The program's answer; None if there is none, or if it cannot be understood."""
        try:
            while True:
                # An answer may take long, but a WebSocket must open at once.
                answer = await asyncio.wait_for(read_answer(program), UPGRADE_SECONDS if self._upgrade else None)
                if answer is None:
                    say_once("The program closed a connection without an answer, so the browser was shown a 502.")
                    return None
                status = status_of(answer)
                if status >= 200 or (status == SWITCHED and self._upgrade):
                    answer_length(answer, self._method)
                    return answer
                if status == SWITCHED:
                    say_once(
                        "The program switches to a protocol that was not asked for, so the browser was shown a 502."
                    )
                    return None
                # Interim answers (1xx) are dropped: a proxy that takes one for the answer would take the answer for
                # that to the next request, which may be somebody else's.
        except BadMessageError as error:
            say_once(f"An answer of the program is no HTTP/1.1 ({error}), so the browser was shown a 502.")
        except asyncio.TimeoutError:
            say_once(f"The program did not open a WebSocket within {UPGRADE_SECONDS:.0f} s.")
        return None


async def turn_away(browser: Streams, refusal: Refusal, centre: Centre) -> None:
    """Refuse a request, and give the client time to read the refusal."""
    await tell(browser[1], refusal, centre)
    await _linger(browser[0])


async def _linger(reader: asyncio.StreamReader) -> None:
    """Read for a while what the client still sends: a close would reset the connection and lose the answer."""
    with suppress(asyncio.TimeoutError, OSError):
        await asyncio.wait_for(_discard(reader), LINGER_SECONDS)


async def _discard(reader: asyncio.StreamReader) -> None:
    """Read and drop everything until the client closes its end."""
    while await reader.read(PIECE):
        pass


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while True:
        piece = await reader.read(PIECE)
        if not piece:
            return
        writer.write(piece)
        await writer.drain()


async def _gone(browser: asyncio.StreamWriter) -> None:
    """Return when the client has closed the connection.

    The kernel is asked, since the end of the stream is not read while the program does not take what came before. If
    that much is still unread, the client's kernel gives up after some minutes, and ours notices.
    """
    connection = browser.get_extra_info("socket")
    while connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0] == ESTABLISHED:
        await asyncio.sleep(GONE_SECONDS)


def _drop(program: asyncio.StreamWriter) -> None:
    """Close the connection without waiting for data that the program has not taken."""
    if program.transport.get_write_buffer_size():
        program.transport.abort()
    program.close()


async def _first_of(*steps: Awaitable[None]) -> None:
    tasks = [asyncio.ensure_future(step) for step in steps]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
