"""No client makes the web server and a notebook read the same bytes differently, or get another client's answer.

The notebook reads HTTP to the letter and complains of everything else. Each case is followed by the requests of other
clients, which must get their own answers, from the link that they asked for.
"""

from __future__ import annotations

import contextlib
import random
import re
import ssl
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

import pytest
from testinfra.host import Host

from support import http2_corpus, request_corpus
from support.fake_notebook import Browser, Start
from support.proxy_host import DOMAIN, TESTINFRA_HOSTS
from support.server_health import unharmed
from support.strict_http import StrictNotebook

testinfra_hosts = TESTINFRA_HOSTS

OK = 200
NAME, NEIGHBOUR = "quiet-river-stone", "other-link-here"
LINK, OTHER = f"{NAME}.{DOMAIN}", f"{NEIGHBOUR}.{DOMAIN}"
# Attackers at the same time: few enough for what one address may hold.
PARALLEL = 8
SILENCE = 0.25
# After one in so many cases the neighbour is asked, too.
NEIGHBOURS = 8
MARK = re.compile(rb"(?:case|victim|smuggled-case|neighbour)-\d{4}")
# A notebook would answer the first with the request itself, cookies and all.
REFUSED_METHODS = {b"TRACE", b"CONNECT"}


@dataclass(frozen=True)
class Links:
    """Two links, each with a notebook that complains."""

    link: StrictNotebook
    other: StrictNotebook

    def check(self, cases: dict[str, str]) -> None:
        """Fail with each complaint, and with each request that is not where it belongs."""
        wrong = [*self.link.complaints, *self.other.complaints]
        for notebook, host in ((self.link, LINK), (self.other, OTHER)):
            for request in notebook.requests:
                named = request.header(b"host")[0].partition(b":")[0].lower()
                if named != host.encode() or request.method in REFUSED_METHODS:
                    wrong.append(f"{host} got {request}")
        neighbours = b"".join(self.other.received)
        assert b"neighbour-0000" in neighbours
        for case, description in cases.items():
            if f"victim-{case[5:]}".encode() in neighbours:
                wrong.append(f"{description}: a request of {LINK} reached {OTHER}")
        assert not wrong, "\n".join(wrong[:20])


@pytest.fixture
def links(start: Start) -> Links:
    def strict(name: str) -> StrictNotebook:
        notebook = start(name, kind=StrictNotebook)
        assert isinstance(notebook, StrictNotebook)
        return notebook

    return Links(strict(NAME), strict(NEIGHBOUR))


def received(connection: ssl.SSLSocket) -> bytes:
    """Return all that comes until the connection ends or nothing more comes."""
    connection.settimeout(SILENCE)
    seen = b""
    with contextlib.suppress(TimeoutError, ConnectionError, ssl.SSLError):
        while data := connection.recv(65536):
            seen += data
    return seen


def attack(browser: Browser, text: bytes) -> bytes:
    """Send the bytes in two records and return what comes."""
    half = random.Random(text).randrange(1, len(text))  # noqa: S311 - only to be the same each time
    with browser.connect(LINK) as connection:
        # The server may refuse while more is on its way.
        with contextlib.suppress(ConnectionError, ssl.SSLError):
            connection.sendall(text[:half])
            connection.sendall(text[half:])
        return received(connection)


def consequences(browser: Browser, case: str, answers: bytes) -> list[str]:
    """Return what went wrong with the attacker's answers and with the next requests of others."""
    number = case[5:]
    wrong = [f"the attacker got {mark!r}" for mark in MARK.findall(answers) if mark[-4:] != number.encode()]
    others = [(LINK, f"/victim-{number}")]
    if int(number) % NEIGHBOURS == 0:
        others.append((OTHER, f"/neighbour-{number}"))
    for host, path in others:
        answer = browser.ask(host, path)
        if (answer.status, answer.body) != (OK, f"{host} GET {path} 0".encode()):
            wrong.append(f"{host}{path} got {answer}")
    return wrong


def run(browser: Browser, links: Links, cases: dict[str, str], attacks: dict[str, Callable[[], bytes]]) -> None:
    """Try each attack and what comes after it, and fail with all that went wrong."""

    def tried(case: str) -> list[str]:
        return [f"{cases[case]}: {what}" for what in consequences(browser, case, attacks[case]())]

    with ThreadPoolExecutor(PARALLEL) as pool:
        wrong = [what for found in pool.map(tried, cases) for what in found]
    assert not wrong, "\n".join(wrong[:20])
    links.check(cases)


def test_no_bytes_become_a_request_that_their_client_did_not_send(host: Host, links: Links, browser: Browser) -> None:
    corpus = list(request_corpus.requests(LINK, OTHER))
    cases = {case: description for case, description, _ in corpus}
    with unharmed(host):
        run(browser, links, cases, {case: partial(attack, browser, text) for case, _, text in corpus})


def test_nor_does_what_came_over_http2(host: Host, links: Links, browser: Browser) -> None:
    corpus = list(http2_corpus.requests(LINK, OTHER))
    cases = {case: description for case, description, _ in corpus}
    trust = ssl.create_default_context(
        cadata="".join(map(ssl.DER_cert_to_PEM_cert, browser.trust.get_ca_certs(binary_form=True)))
    )
    trust.set_alpn_protocols(["h2"])
    http2 = Browser(trust)
    with unharmed(host):
        run(browser, links, cases, {case: partial(attack, http2, text) for case, _, text in corpus})
