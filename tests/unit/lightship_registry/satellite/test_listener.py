"""One program that listens is told from the next on its port, whatever that one answers."""

from __future__ import annotations

import asyncio
import ipaddress
import socket

import pytest

from lightship_registry.satellite.listener import Answer, Found, Listener, ask, same_program
from unit.lightship_registry.programs import Program, program
from unit.lightship_registry.testbed import NODE

HERE = ipaddress.ip_address(NODE)


def answer(server: str = "TornadoServer/6.5", body: bytes = b'{"version": "2.21.0"}', status: str = "200 OK") -> bytes:
    head = f"HTTP/1.1 {status}\r\nServer: {server}\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


def asked(reply: bytes) -> Answer:
    with program(reply) as port:
        return asyncio.run(ask(HERE, port, "a-b-c.example.org"))


async def until(so: asyncio.Event) -> None:
    await asyncio.wait_for(so.wait(), 5)


def test_the_death_of_a_program_is_heard_at_once_though_another_takes_its_port_in_that_moment() -> None:
    async def go() -> None:
        gone = asyncio.Event()
        first = Program()
        listener = Listener(HERE, first.port, gone.set)
        assert await listener.knock() is Found.HTTP
        assert await listener.knock() is Found.HTTP
        first.die()
        second = Program(port=first.port)
        try:
            # Whether or not the loop heard of it before.
            assert await listener.knock() in (Found.NOBODY, Found.HTTP)
            await until(gone)
            assert await listener.knock() is Found.NOBODY
            assert listener.own_ends == set()
        finally:
            second.die()

    asyncio.run(go())


def test_a_port_that_is_closed_is_seen_though_its_program_lives_on() -> None:
    async def go() -> None:
        gone = asyncio.Event()
        with socket.create_server((NODE, 0)) as port:
            listener = Listener(HERE, port.getsockname()[1], gone.set)
            assert await listener.knock() is Found.HTTP
            kept, _ = port.accept()
        assert await listener.knock() is Found.NOBODY
        assert not gone.is_set()
        listener.leave()
        kept.close()

    asyncio.run(go())


def test_one_connection_stands_at_a_time_and_none_to_a_program_that_serves_one() -> None:
    async def go(*, brief: bool) -> list[int]:
        with program() as port:
            listener = Listener(HERE, port)
            listener.brief = brief
            for _ in range(5):
                assert await listener.knock() is Found.HTTP
            async with asyncio.timeout(5):
                while len(listener.own_ends) > 1:
                    await asyncio.sleep(0.01)
            counted = len(listener.own_ends)
            listener.leave()
            return [counted, len(listener.own_ends)]

    assert asyncio.run(go(brief=False)) == [1, 0]
    assert asyncio.run(go(brief=True)) == [0, 0]


def test_a_program_that_takes_no_more_connections_is_silent_and_not_gone() -> None:
    async def go() -> None:
        with socket.socket() as full:
            full.bind((NODE, 0))
            full.listen(0)
            listener = Listener(HERE, full.getsockname()[1])
            found = [await listener.knock(0.1) for _ in range(4)]
            assert (found[-1], listener.silent, listener.over) == (Found.SILENCE, True, False)
            listener.leave()

    asyncio.run(go())


@pytest.mark.parametrize(
    ("first", "later", "same"),
    [
        (answer(), answer(), True),
        (answer(), answer(body=b'{"version": "2.20.0"}'), False),
        (answer(), answer("Werkzeug/3.1"), False),
        # What does not show is not compared: a notebook that is busy or being set up answers otherwise.
        (answer(), answer(body=b"Internal Server Error", status="500 Internal Server Error"), True),
        (answer(), b"HTTP/1.1 200 OK\r\n\r\n", True),
        (answer(body=b"[" * 900), answer(body=b'{"version": 7}'), True),
        (answer(), b"HTTP/1.1 200 OK\r\n" + b"x" * 9000, True),
    ],
)
def test_two_answers_of_one_program_and_of_two(first: bytes, later: bytes, same: bool) -> None:
    one, other = asked(first), asked(later)
    assert (one.found, other.found) == (Found.HTTP, Found.HTTP)
    assert same_program(one.mark, other.mark) is same
    assert same_program("", other.mark)
    assert len(one.mark) in (0, 64)
