"""What the internet gets: little, and nothing that was not meant for it."""

from __future__ import annotations

import contextlib
import http.client
import re
import socket
import ssl
from collections.abc import Callable
from pathlib import Path

import pytest
from testinfra.host import Host

from support.deploy import deploy
from support.fake_notebook import ROUTES, Browser, Start
from support.proxy_host import DOMAIN, HOST, PROXY, SERVER, TESTINFRA_HOSTS

testinfra_hosts = TESTINFRA_HOSTS

OK, MOVED, BAD_REQUEST, NOT_FOUND, NOT_ALLOWED, TOO_LARGE, MISDIRECTED, BAD_GATEWAY = (
    200,
    301,
    400,
    404,
    405,
    413,
    421,
    502,
)
LINK = f"quiet-river-stone.{DOMAIN}"
# Of 10; the distribution's unit has 9.6.
MOST_EXPOSED = 3.5


@pytest.mark.parametrize("name", ["proxy.example.org", "example.org", f"{DOMAIN}.example.org", PROXY])
def test_a_strange_name_gets_no_handshake(browser: Browser, name: str) -> None:
    with pytest.raises(ssl.SSLError, match=r"(?i)unrecognized.name|handshake.failure"):
        browser.connect(name)


@pytest.mark.parametrize("authority", ["example.org", "evil.example", f"{DOMAIN}.evil.example"])
def test_a_strange_host_header_gets_no_answer(start: Start, browser: Browser, authority: str) -> None:
    notebook = start("quiet-river-stone")
    with contextlib.suppress(http.client.RemoteDisconnected):
        assert browser.ask(LINK, authority=authority).status == MISDIRECTED
    assert not notebook.received


def test_two_names_in_one_request_are_one_too_many(start: Start, browser: Browser) -> None:
    notebook = start("quiet-river-stone")
    answer = browser.ask(LINK, f"https://{LINK}/", authority=f"other-link-here.{DOMAIN}")
    if SERVER.takes_the_first_host:
        assert answer.status == OK
        assert f"\r\nHost: {LINK}\r\n".encode() in b"".join(notebook.received)
        assert b"other-link-here" not in b"".join(notebook.received)
    else:
        assert answer.status == BAD_REQUEST
        assert not notebook.received


@pytest.mark.parametrize(
    "label", ["ab-river-stone", "quiet-river", "quiet-river-stone-x", "quiet-river-st0ne", "www", "a.quiet-river-stone"]
)
def test_a_name_that_is_no_links_is_never_looked_up(start: Start, host: Host, browser: Browser, label: str) -> None:
    notebook = start("quiet-river-stone")
    host.check_output(f"cp {ROUTES}/quiet-river-stone {ROUTES}/{label}")
    name = f"{label}.{DOMAIN}"
    tls = LINK if label.startswith("a.") else name
    assert browser.ask(tls, authority=name).status == NOT_FOUND
    assert not notebook.received


@pytest.mark.parametrize(
    "line", ["OPTIONS *", "GET *", "OPTIONS https://{}", "GET https://{}?x=1", "CONNECT {}:443", "GET 1/x"]
)
def test_a_request_for_no_path_harms_nobody(start: Start, browser: Browser, line: str) -> None:
    notebook = start("quiet-river-stone")
    for name in (LINK, DOMAIN, f"registry.{DOMAIN}", f"jupyter.{DOMAIN}"):
        with browser.connect(name) as connection:
            connection.sendall(f"{line.format(name)} HTTP/1.1\r\nHost: {name}\r\nConnection: close\r\n\r\n".encode())
            while connection.recv(4096):
                pass
    asked = b"".join(notebook.received)
    assert asked == b"" or re.match(rb"(GET|OPTIONS) /(\?x=1)? HTTP/1\.1\r\n", asked), asked
    assert browser.ask(LINK, "/lab").status == OK


def test_capital_letters_are_the_same_name(start: Start, browser: Browser) -> None:
    start("quiet-river-stone")
    assert browser.ask(LINK, authority=LINK.upper()).status == OK


@pytest.mark.parametrize("name", [LINK, f"www.{DOMAIN}"])
def test_a_name_without_notebook_shows_the_registrys_page(browser: Browser, name: str) -> None:
    answer = browser.ask(name, "/lab?token=SECRET", {"Cookie": "a=b"})
    assert answer.status == NOT_FOUND
    assert answer.header("Content-Type")[0].startswith("text/html")
    assert "default-src 'none'" in answer.header("Content-Security-Policy")[0]


@pytest.mark.parametrize("method", ["POST", "PUT"])
def test_an_upload_to_a_name_without_notebook_is_no_burden(browser: Browser, method: str) -> None:
    assert browser.ask(LINK, "/api/contents/x", method=method, body=bytes(900_000)).status == NOT_ALLOWED


def test_without_registry_there_is_still_a_page(host: Host, browser: Browser) -> None:
    host.check_output("systemctl stop lightship-registry.socket lightship-registry.service")
    try:
        answer = browser.ask(LINK, "/lab")
        assert answer.status == BAD_GATEWAY
        assert b"Reload" in answer.body
        answer = browser.ask(f"registry.{DOMAIN}", "/v1/ping")
        assert answer.status == BAD_GATEWAY
        assert b'"registry-unreachable"' in answer.body
    finally:
        host.check_output("systemctl start lightship-registry.socket lightship-registry.service")


def test_the_registrys_host_has_its_interface_and_nothing_else(browser: Browser) -> None:
    registry = f"registry.{DOMAIN}"
    assert browser.ask(registry, "/v1/ping").status in {400, 401, 403}
    for path in ("/", "/docs", "/v2/x", "/v1/../x"):
        answer = browser.ask(registry, path)
        assert answer.status == NOT_FOUND
        assert b'"no-such-address"' in answer.body
    answer = browser.ask(registry, "/v1/links", method="POST", body=bytes(70_000))
    assert answer.status == TOO_LARGE
    assert b'"too-large"' in answer.body


def test_port_80_redirects_and_says_no_more() -> None:
    connection = http.client.HTTPConnection(PROXY, 80, timeout=10)
    connection.request("GET", "/a%2Fb?c=d", headers={"Host": LINK})
    answer = connection.getresponse()
    assert answer.status == MOVED
    assert answer.headers["Location"] == f"https://{LINK}/a%2Fb?c=d"
    connection.close()
    connection = http.client.HTTPConnection(PROXY, 80, timeout=10)
    connection.request("GET", "/", headers={"Host": "evil.example"})
    with contextlib.suppress(http.client.RemoteDisconnected):
        assert connection.getresponse().status == MISDIRECTED
    connection.close()


@pytest.mark.parametrize("port", [80, 443])
@pytest.mark.parametrize("mark", ["#", "?", "@", "\\", "%2f", "$", "_", "x:y@"])
def test_a_host_that_is_no_name_is_not_sent_on_to(port: int, mark: str) -> None:
    connection = http.client.HTTPConnection(PROXY, port, timeout=10)
    connection.request("GET", "/lab", headers={"Host": f"evil.example{mark}.{DOMAIN}"})
    with contextlib.closing(connection), contextlib.suppress(http.client.RemoteDisconnected):
        answer = connection.getresponse()
        assert (answer.status, answer.headers["Location"]) == (BAD_REQUEST, None)


def test_plain_http_on_the_port_for_https_is_sent_to_the_right_one() -> None:
    connection = http.client.HTTPConnection(PROXY, 443, timeout=10)
    connection.request("GET", "/lab", headers={"Host": LINK})
    answer = connection.getresponse()
    # Apache reads nothing of such a request, and so does not know where to send it.
    redirect = (MOVED, f"https://{LINK}/lab") if SERVER.filters_all_heads else (BAD_REQUEST, None)
    assert (answer.status, answer.headers["Location"]) == redirect
    connection.close()


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_1, ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
@pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")
def test_tls_is_current(browser: Browser, version: ssl.TLSVersion) -> None:
    context = ssl.create_default_context()
    context.load_verify_locations(
        cadata="".join(map(ssl.DER_cert_to_PEM_cert, browser.trust.get_ca_certs(binary_form=True)))
    )
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.minimum_version = context.maximum_version = version
    context.set_alpn_protocols(["h2", "http/1.1"])
    with socket.create_connection((PROXY, 443), timeout=10) as plain:
        if version < ssl.TLSVersion.TLSv1_2:
            with pytest.raises((ssl.SSLError, ConnectionError)):
                context.wrap_socket(plain, server_hostname=LINK)
        else:
            with context.wrap_socket(plain, server_hostname=LINK) as secure:
                assert secure.selected_alpn_protocol() == "h2"


def test_the_access_log_holds_no_token_and_no_log_is_for_everybody(host: Host, start: Start, browser: Browser) -> None:
    start("quiet-river-stone")
    browser.ask(LINK, "/lab?token=SECRET", {"Referer": f"https://{LINK}/?token=SECRET"})
    browser.ask(f"other-link-here.{DOMAIN}", "/lab/ended?token=SECRET")
    log = host.check_output(f"cat {SERVER.logs}/lightship-access.log")
    assert "/lab/ended" in log
    assert "SECRET" not in log
    assert host.check_output(f"find {SERVER.logs} -name '*lightship*' -perm /007") == ""


def test_there_is_room_for_more_connections_than_the_distribution_allows(
    host: Host, allow_files: Callable[[int], None]
) -> None:
    count = 768 * len(SERVER.worker_ids(host)) + 64
    allow_files(count + 100)
    with contextlib.ExitStack() as open_ones:
        for _ in range(count):
            last = open_ones.enter_context(socket.create_connection((PROXY, 80), timeout=10))
        last.sendall(f"GET / HTTP/1.1\r\nHost: {LINK}\r\n\r\n".encode())
        assert last.recv(100).startswith(b"HTTP/1.1 301 ")


def test_a_faulty_site_is_refused_before_it_takes_the_place_of_a_good_one(host: Host) -> None:
    broken = "/run/lightship-test.conf"
    for text, result in (("", 0), ("no-such-directive on;\n", 1)):
        host.check_output(f"cp {SERVER.site} {broken} && printf '{text}' >> {broken}")
        assert (host.run(f"{SERVER.check_site} {broken}").rc != 0) == bool(result)
    host.check_output(f"rm {broken}")
    assert host.check_output("find /etc/nginx /etc/apache2 -name '.lightship*' 2>/dev/null || true") == ""


@pytest.mark.once
def test_a_playbook_that_would_break_the_server_changes_nothing_and_says_why(
    host: Host, start: Start, browser: Browser, tmp_path: Path
) -> None:
    """Somebody else's site is broken, and the next run of the playbook has a new configuration of ours."""
    start("quiet-river-stone")
    before = SERVER.worker_ids(host)
    host.check_output(f"echo 'no-such-directive on;' > {SERVER.other_site}")
    try:
        with pytest.raises(AssertionError, match="no-such-directive"):
            deploy("web_proxy", HOST, tmp_path, web_proxy_server=SERVER.name, web_proxy_page_rate=101)
        # Nor does a reload by hand.
        assert host.run(f"systemctl reload {SERVER.unit}").rc != 0
        assert browser.ask(LINK, "/lab").status == OK
        assert SERVER.worker_ids(host) == before
    finally:
        host.check_output(f"rm {SERVER.other_site}")
    host.check_output(f"systemctl reload {SERVER.unit}")
    assert browser.ask(LINK, "/lab").status == OK


def test_the_web_servers_processes_are_confined(host: Host) -> None:
    said = host.check_output(f"systemd-analyze security --no-pager {SERVER.unit}.service | tail -1")
    assert float(said.split(": ")[1].split()[0]) < MOST_EXPOSED


def test_the_configuration_passes_its_test(host: Host) -> None:
    for test in SERVER.tests:
        assert host.run(test).rc == 0, test
