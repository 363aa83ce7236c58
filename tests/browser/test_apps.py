"""Web programs that are no Jupyter, as people have them, used through their links in a headless Chromium."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import FilePayload, expect

from browser.window import chromium, trust
from support import bed

VENV = "/opt/apps"
STREAMLIT = """
import streamlit
length = streamlit.slider("Residues", 1, 100, 20)
streamlit.write(f"The chain has {length} residues.")
sent = streamlit.file_uploader("A file")
if sent:
    streamlit.write(f"{len(sent.getvalue())} bytes came.")
"""
DASH = """
from dash import Dash, Input, Output, dcc, html
app = Dash(__name__)
app.layout = html.Div([dcc.Input("folded", id="word"), html.Div(id="answer")])
@app.callback(Output("answer", "children"), Input("word", "value"))
def answer(word):
    return f"The protein is {word}."
server = app.server
"""
WAYS = {
    "streamlit": "streamlit run chain.py --server.port {port} --server.address localhost"
    " --server.headless true --browser.gatherUsageStats false",
    "dash": "gunicorn --bind unix:{socket} protein:server",
}
UPLOAD = 5_000_000


@pytest.fixture(scope="module")
def folder() -> Iterator[str]:
    made = bed.run("login", "mktemp -d ~/apps.XXXXXX", user="alice").stdout.strip()
    for file, text in (("chain.py", STREAMLIT), ("protein.py", DASH)):
        bed.run("login", f"cat >{made}/{file}", user="alice", text=text)
    yield made
    bed.run("login", f"rm -r {made}", user="alice")


def start(folder: str, way: str) -> bed.Notebook:
    return bed.start("alice", f"-t 10 -d {folder} --venv {VENV} --app '{WAYS[way]}'")


def test_streamlit_answers_by_websocket_and_takes_an_upload(folder: str, tmp_path: Path) -> None:
    trust(tmp_path)
    started = start(folder, "streamlit")
    try:
        with chromium(tmp_path) as page:
            page.goto(started.url)
            expect(page.get_by_text("The chain has 20 residues.")).to_be_visible(timeout=60_000)
            assert page.url == f"{started.origin}/", "the token is no longer in the address"
            page.get_by_role("slider").press("ArrowRight")
            expect(page.get_by_text("The chain has 21 residues.")).to_be_visible(timeout=30_000)
            file = FilePayload(name="data", mimeType="application/octet-stream", buffer=b"x" * UPLOAD)
            page.set_input_files("input[type=file]", file)
            expect(page.get_by_text(f"{UPLOAD} bytes came.")).to_be_visible(timeout=30_000)
    finally:
        bed.stop(started)


def test_dash_answers_on_a_socket_that_nobody_else_reaches(folder: str, tmp_path: Path) -> None:
    trust(tmp_path)
    started = start(folder, "dash")
    try:
        with chromium(tmp_path) as page:
            page.goto(started.url)
            expect(page.get_by_text("The protein is folded.")).to_be_visible(timeout=60_000)
            page.get_by_role("textbox").fill("unfolded")
            expect(page.get_by_text("The protein is unfolded.")).to_be_visible(timeout=30_000)
    finally:
        bed.stop(started)
