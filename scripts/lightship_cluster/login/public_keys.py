"""Reads a public SSH key from a file. The registry checks the key; this explains common mistakes at once."""

from __future__ import annotations

import base64
import re
import shlex
import sys
from hashlib import sha256
from typing import BinaryIO

from lightship_cluster.core.errors import ExitStatus, LightshipError, why
from lightship_cluster.core.paths import absolute, is_file
from lightship_protocol import forms, limits

STANDARD_INPUT = "-"
LARGEST_FILE = 16 * 1024
# The private keys of OpenSSH, OpenSSL and PuTTY.
_PRIVATE = re.compile(rb"PRIVATE KEY|PuTTY-User-Key-File")
_CERTIFICATE = re.compile(r"\S+-cert-v\d\d@openssh\.com")
_MAKE = "ssh-keygen -t ed25519 makes one, and the file that ends in .pub is it."


def key_in(name: str) -> str:
    """The one key in the file, on one line, with its comment if the registry can keep it."""
    data = _read(name)
    file = "What came on standard input" if name == STANDARD_INPUT else name
    if _PRIVATE.search(data):
        raise _private(name, file)
    if len(data) > LARGEST_FILE:
        raise wrong(f"{file} is larger than 16 KiB: that is no public key. {_MAKE}")
    lines = [line.strip() for line in data.decode("utf-8-sig", "replace").splitlines()]
    lines = [line for line in lines if line and not line.startswith("#")]
    if not lines:
        raise wrong(f"{file} is empty. Give a file with a public key: {_MAKE}")
    if len(lines) > 1:
        raise wrong(f"{file} has {len(lines)} lines, and a public key is one. Give one key at a time, on one line.")
    return _judged(lines[0], file)


def fingerprint_of(key: str) -> str:
    """The key's fingerprint, as `ssh-keygen -l` prints it."""
    digest = sha256(base64.b64decode(key.split()[1])).digest()
    return f"SHA256:{base64.b64encode(digest).decode('ascii').rstrip('=')}"


def wrong(sentence: str) -> LightshipError:
    """The error for a key that cannot be used."""
    return LightshipError(sentence, ExitStatus.KEY)


def _read(name: str) -> bytes:
    try:
        if name != STANDARD_INPUT:
            with absolute(name).open("rb") as stream:
                return _beginning(stream)
        return _beginning(sys.stdin.buffer) if sys.stdin else b""
    except OSError as error:
        raise wrong(
            f"Cannot read {name}: {why(error)}. Give the file of a public key, as ~/.ssh/id_ed25519.pub."
        ) from error


def _beginning(stream: BinaryIO) -> bytes:
    # One byte more than allowed shows that the file is too large.
    return stream.read(LARGEST_FILE + 1)


def _private(name: str, file: str) -> LightshipError:
    public = f"{name}.pub"
    if name != STANDARD_INPUT and is_file(absolute(public)):
        instead = f"Add the public key beside it: start-jupyter keys --add {shlex.quote(public)}"
    else:
        instead = "Add the public key that belongs to it: ssh-keygen -y -f FILE prints it."
    return wrong(f"{file} is the private key, which nobody else may ever see. Nothing was sent. {instead}")


def _judged(line: str, file: str) -> str:
    kind, blob, comment = (*line.split(None, 2), "", "")[:3]
    if kind not in forms.SSH_KEY_TYPES:
        raise wrong(_strange(kind, line, file))
    if not _whole(kind, blob):
        raise wrong(f"The key in {file} is not whole: a part of it was lost or changed. Copy it again.")
    key = f"{kind} {blob}"
    if len(key) > limits.SSH_KEY:
        raise wrong(f"The key in {file} is longer than {limits.SSH_KEY} characters. {_MAKE}")
    comment = " ".join(comment.split())
    if not (comment.isascii() and comment.isprintable()):
        return key
    return f"{key} {comment[: limits.SSH_KEY_COMMENT]}"[: limits.SSH_KEY].rstrip()


def _strange(kind: str, line: str, file: str) -> str:
    if _CERTIFICATE.search(line):
        return f"{file} is a certificate. Give the public key that it was made for: the file without -cert."
    known = next((word for word in line.split() if word in forms.SSH_KEY_TYPES), "")
    if known:
        return (
            f"{file} has something before the key, such as options (command=...). Give the key alone, from {known} on: "
            "what it opens is said by your administrators."
        )
    if kind.startswith(("ssh-", "ecdsa-", "sk-")):
        return f"{file} has a key of a kind that cannot be added: {kind[:40]!r}. {_MAKE}"
    return f"{file} is no public key: that is one line, as ssh-ed25519 AAAA... alice@laptop. {_MAKE}"


def _whole(kind: str, blob: str) -> bool:
    """Whether the key is complete: parts with their lengths, the first of which names the same kind."""
    try:
        data = base64.b64decode(blob, validate=True)
    except ValueError:
        return False
    parts = []
    while data:
        end = 4 + int.from_bytes(data[:4], "big")
        if len(data) < end:
            return False
        parts.append(data[4:end])
        data = data[end:]
    return len(parts) > 1 and parts[0] == kind.encode("ascii")
