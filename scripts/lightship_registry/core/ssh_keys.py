"""Parses users' public SSH keys: one line of a `.pub` file, which is written anew."""

from __future__ import annotations

import base64
import hashlib
import re
from dataclasses import dataclass

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_ssh_public_key

from lightship_protocol import forms, limits
from lightship_registry.core.errors import RegistryError, invalid

# No options before the type: users must not decide what their keys may do.
_TYPE = "|".join(map(re.escape, forms.SSH_KEY_TYPES))
LINE = re.compile(rf"({_TYPE}) ([A-Za-z0-9+/]{{40,4000}}={{0,2}})(?: ([ -~]*))?")
FEWEST_RSA_BITS = 2048


@dataclass(frozen=True)
class SshKey:
    """A key that sshd accepts; `text` is its type and its base64."""

    text: str
    fingerprint: str
    comment: str


def parse(line: str) -> SshKey:
    """Parse the line; an error says what to give instead."""
    found = LINE.fullmatch(line.strip())
    if found is None:
        raise _bad("The key must be the one line of a .pub file: a type such as ssh-ed25519, and the key itself.")
    kind, base, comment = found[1], found[2], found[3] or ""
    try:
        blob = base64.b64decode(base, validate=True)
        key = load_ssh_public_key(f"{kind} {base}".encode("ascii"))
    # Neither the library nor sshd implements compressed points.
    except (ValueError, UnsupportedAlgorithm, NotImplementedError) as error:
        raise _not_whole(kind) from error
    if isinstance(key, RSAPublicKey):
        _check_rsa(key, blob)
    # Encoded anew: a key must have one text, whatever the unused bits at the end of its base64 are.
    text = f"{kind} {base64.b64encode(blob).decode('ascii')}"
    return SshKey(text, fingerprint_of(blob), " ".join(comment.split())[: limits.SSH_KEY_COMMENT])


def _check_rsa(key: RSAPublicKey, blob: bytes) -> None:
    if key.key_size < FEWEST_RSA_BITS:
        raise _bad(f"This RSA key has {key.key_size} bits, too few. Make another: ssh-keygen -t ed25519")
    # Leading zeros in its numbers give the same key another text, which sshd accepts. As sshd obeys only the first line
    # of a key, whoever registered another user's public key this way could block that user's tunnels.
    plain = key.public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).split()[1]
    if base64.b64decode(plain) != blob:
        raise _not_whole("ssh-rsa")


def is_whole(text: str, fingerprint: str) -> bool:
    """Whether a row of the store is still as `parse` made it: sshd will obey it as a line."""
    try:
        key = parse(text)
    except RegistryError:
        return False
    return (key.text, key.fingerprint) == (text, fingerprint)


def fingerprint_of(blob: bytes) -> str:
    """The fingerprint as `ssh-keygen -l` prints it."""
    return "SHA256:" + base64.b64encode(hashlib.sha256(blob).digest()).decode("ascii").rstrip("=")


def _not_whole(kind: str) -> RegistryError:
    return _bad(f"This is no whole {kind} key. Copy the line of the .pub file again.")


def _bad(sentence: str) -> RegistryError:
    return invalid(sentence, "bad-key")
