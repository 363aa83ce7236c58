from __future__ import annotations

import base64
import io
from pathlib import Path

import pytest

from lightship_cluster.core.errors import ExitStatus, LightshipError
from lightship_cluster.login.public_keys import fingerprint_of, key_in
from lightship_protocol.forms import SSH_KEY_TYPES


def public_key(kind: str = "ssh-ed25519", fill: str = "k", size: int = 32) -> str:
    """A key of the right form, without a private key."""
    parts = (kind.encode("ascii"), fill.encode("ascii") * size)
    blob = b"".join(len(part).to_bytes(4, "big") + part for part in parts)
    return f"{kind} {base64.b64encode(blob).decode('ascii')}"


KEY = public_key()


def read(folder: Path, text: str | bytes, name: str = "id.pub") -> str:
    (folder / name).write_bytes(text if isinstance(text, bytes) else text.encode())
    return key_in(str(folder / name))


@pytest.mark.parametrize("kind", SSH_KEY_TYPES)
def test_every_kind_of_key_is_taken(tmp_path: Path, kind: str) -> None:
    assert read(tmp_path, f"{public_key(kind)} alice@laptop\n") == f"{public_key(kind)} alice@laptop"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (KEY, KEY),
        (f"\ufeff# of my laptop\r\n\r\n  {KEY}   alice at  home \r\n", f"{KEY} alice at home"),
        (f"{KEY} Zoë", KEY),
        (f"{KEY} \x1b]0;title\x07", KEY),
        (f"{KEY} ".encode() + b"Zo\xeb", KEY),
        (f"{KEY} {'x' * 300}", f"{KEY} {'x' * 100}"),
    ],
)
def test_the_comment_is_kept_where_it_can_be(tmp_path: Path, text: str | bytes, expected: str) -> None:
    assert read(tmp_path, text) == expected


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "is empty"),
        ("\n# nothing\n", "is empty"),
        (f"{KEY} a\n{KEY} b\n", "has 2 lines, and a public key is one. Give one key at a time"),
        (f'command="true",no-pty {KEY} a', "Give the key alone, from ssh-ed25519 on"),
        (f"github.com {KEY}", "something before the key"),
        (public_key("ssh-ed25519-cert-v01@openssh.com"), "is a certificate. Give the public key"),
        (f"cert-authority {public_key('ssh-rsa-cert-v01@openssh.com')}", "is a certificate"),
        (public_key("ssh-dss"), "a kind that cannot be added: 'ssh-dss'. ssh-keygen -t ed25519"),
        ("\x1b[2J hello", "is no public key: that is one line, as ssh-ed25519 AAAA"),
        (f"ssh-rsa {KEY.split()[1]}", "is not whole"),
        (KEY[:-8], "is not whole"),
        (KEY[:-3], "is not whole"),
        ("ssh-ed25519", "is not whole"),
        ("ssh-ed25519 key", "is not whole"),
        (public_key(size=4000), "longer than 4096 characters"),
        (b"\xff\xfe" + KEY.encode("utf-16-le"), "is no public key"),
        ("x" * 20_000, "larger than 16 KiB"),
    ],
)
def test_anything_else_is_refused_with_what_to_give(tmp_path: Path, text: str | bytes, words: str) -> None:
    with pytest.raises(LightshipError) as refused:
        read(tmp_path, text)

    assert words in refused.value.sentence
    assert refused.value.status is ExitStatus.KEY
    assert refused.value.sentence.isprintable()


@pytest.mark.parametrize(
    "text",
    [
        "-----BEGIN OPENSSH PRIVATE KEY-----\nb3Blb\n",
        "-----BEGIN ENCRYPTED PRIVATE KEY-----\nb3Blb\n" + "x" * 20_000,
        f"{KEY}\n-----BEGIN RSA PRIVATE KEY-----\n",
        "PuTTY-User-Key-File-3: ssh-ed25519\n",
    ],
)
def test_a_private_key_is_refused_and_the_public_one_is_named(tmp_path: Path, text: str) -> None:
    with pytest.raises(LightshipError, match=r"which nobody else may ever see.*ssh-keygen -y -f FILE"):
        read(tmp_path, text, "my id")

    (tmp_path / "my id.pub").write_text(KEY)
    with pytest.raises(LightshipError) as refused:
        read(tmp_path, text, "my id")
    assert refused.value.sentence.endswith(f"start-jupyter keys --add '{tmp_path}/my id.pub'")


def test_what_cannot_be_read_is_said(tmp_path: Path) -> None:
    with pytest.raises(LightshipError, match=r"absent\.pub: No such file or directory\. Give the file"):
        key_in(str(tmp_path / "absent.pub"))
    with pytest.raises(LightshipError, match="Is a directory"):
        key_in(str(tmp_path))


def test_home_is_understood_and_so_is_standard_input(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "id.pub").write_text(KEY)
    assert key_in("~/id.pub") == KEY

    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(KEY.encode())))
    assert key_in("-") == KEY
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"BEGIN PRIVATE KEY")))
    with pytest.raises(LightshipError, match="What came on standard input is the private key"):
        key_in("-")
    monkeypatch.setattr("sys.stdin", None)
    with pytest.raises(LightshipError, match="What came on standard input is empty"):
        key_in("-")


def test_keys_and_fingerprints_are_those_of_ssh_keygen(tmp_path: Path) -> None:
    # Made by ssh-keygen once, with what its -l said; its private half is gone.
    made = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAINjwxWCpzjR0ADB5hnuDvI5WHPaXiiXbqJofCFqi3u6g alice@laptop"
    assert read(tmp_path, f"{made}\n") == made
    assert fingerprint_of(made) == "SHA256:x4N8GwWyRaOQLw3Emrql28JeQFub439bADpk4Bf4g/g"
