"""Other programs than Jupyter: a user's web server behind a link, and who cannot reach it."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from support import bed

SERVER = "/usr/bin/python3 -m http.server --bind 127.0.0.1"
COMMANDS = {"port": f"{SERVER} {{port}}", "socket": "/usr/bin/python3 server.py {socket}"}
ON_SOCKET = """
import http.server, socketserver, sys
class Server(socketserver.ThreadingUnixStreamServer):
    def get_request(self):
        return self.socket.accept()[0], ("nobody", 0)
class Handler(http.server.SimpleHTTPRequestHandler):
    def do_GET(self):
        if self.path != "/heard":
            return super().do_GET()
        heard = bytes(self.headers)
        self.wfile.write(b"HTTP/1.1 103 Early Hints\\r\\n\\r\\n")
        self.send_response(200)
        self.send_header("Content-Length", str(len(heard)))
        self.end_headers()
        self.wfile.write(heard)
Server(sys.argv[1], Handler).serve_forever()
"""


@pytest.fixture(scope="module")
def folder() -> Iterator[str]:
    made = bed.run("login", "mktemp -d ~/app.XXXXXX", user="alice").stdout.strip()
    bed.run("login", f"cat >{made}/server.py", user="alice", text=ON_SOCKET)
    bed.run("login", f"echo what only alice sees >{made}/page.txt", user="alice")
    yield made
    bed.run("login", f"rm -r {made}", user="alice")


@pytest.mark.parametrize("way", COMMANDS)
def test_a_program_is_reached_by_its_link_alone(folder: str, way: str) -> None:
    started = bed.start("alice", f"-t 10 -d {folder} --app '{COMMANDS[way]}'")
    try:
        with bed.client(f"{started.name}.{bed.DOMAIN}") as stranger:
            assert stranger.get("/page.txt").status_code == httpx.codes.FORBIDDEN
            wrong = stranger.get("/page.txt", params={"token": "f" * 32})
            assert (wrong.status_code, "start-jupyter open" in wrong.text) == (httpx.codes.FORBIDDEN, True)
        with bed.client(f"{started.name}.{bed.DOMAIN}") as browser:
            opened = browser.get("/page.txt", params={"token": started.token})
            assert (opened.status_code, opened.headers["location"]) == (httpx.codes.SEE_OTHER, "/page.txt")
            # The client would not keep a cookie of a name below localhost.
            cookie = opened.headers["set-cookie"].partition(";")[0]
            assert browser.get("/page.txt", headers={"Cookie": cookie}).text == "what only alice sees\n"
            if way == "socket":
                # All the cookies that a browser has by now: ours, and the web server's own, which is the token.
                cookies = (
                    f"own=1; {'; '.join(each.partition(';')[0] for each in opened.headers.get_list('set-cookie'))}"
                )
                assert started.token in cookies
                heard = browser.get("/heard", headers={"Cookie": cookies})
                assert (heard.status_code, "Cookie: own=1\n" in heard.text) == (httpx.codes.OK, True), heard.text
                assert started.token not in heard.text
    finally:
        bed.stop(started)
    assert not bed.run("node1", "find /tmp /var/tmp -maxdepth 1 -user alice", check=False).stdout


def test_a_program_that_is_not_there_is_named_before_a_job_is_made() -> None:
    done = bed.run("login", "start-jupyter --app 'nosuch {port}'", user="bob", check=False)
    assert (done.returncode, "There is no 'nosuch' on the PATH" in done.stderr) == (5, True), done
