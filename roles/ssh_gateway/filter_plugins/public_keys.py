"""A filter that says what is wrong with a public key, by the form that RFC 4253 and OpenSSH give it."""

from __future__ import annotations

import base64
import binascii
import struct
from collections.abc import Callable

CURVES = {"nistp256": 65, "nistp384": 97, "nistp521": 133}
ED25519_BYTES = 32
LEAST_RSA_BITS = 2048
CUT_OFF = "which is cut off or damaged"
REMEDY = "Copy the whole line of the .pub file"


def public_key_fault(line: str) -> str:
    """Return what is wrong with the line of a .pub file, nothing where it is a key that sshd takes."""
    kind, _, rest = line.partition(" ")
    try:
        fields = _fields(base64.b64decode(rest.split(" ")[0], validate=True))
    except (binascii.Error, ValueError, struct.error):
        return f"{CUT_OFF}. {REMEDY}"
    if not fields or fields[0] != kind.encode():
        return f"whose content is not of the kind {kind}. {REMEDY}"
    return _fault_of(kind, fields[1:])


def _fault_of(kind: str, fields: list[bytes]) -> str:
    damaged = f"{CUT_OFF}. {REMEDY}"
    name = kind.removeprefix("sk-").removesuffix("@openssh.com")
    # A key in a security token names the application that it is for.
    if kind.startswith("sk-"):
        fields = fields[:-1]
    if name == "ssh-ed25519":
        return "" if [len(field) for field in fields] == [ED25519_BYTES] else damaged
    if name.startswith("ecdsa-sha2-"):
        curve = name.removeprefix("ecdsa-sha2-")
        sound = len(fields) == 2 and fields[0] == curve.encode() and len(fields[1]) == CURVES.get(curve)
        return "" if sound and fields[1][:1] == b"\x04" else damaged
    if name == "ssh-rsa":
        bits = int.from_bytes(fields[1], "big").bit_length() if len(fields) == 2 else 0
        if not bits:
            return damaged
        least = f"which has {bits} bits, and sshd wants {LEAST_RSA_BITS} or more. Make a new one: ssh-keygen -t ed25519"
        return "" if bits >= LEAST_RSA_BITS else least
    return f"of the kind {kind}, which sshd does not take. Make a new one: ssh-keygen -t ed25519"


def _fields(data: bytes) -> list[bytes]:
    """The fields of a key, each with its length before it."""
    found = []
    while data:
        (length,) = struct.unpack_from("!I", data)
        if len(data) < 4 + length:
            raise ValueError("cut off")
        found.append(data[4 : 4 + length])
        data = data[4 + length :]
    return found


class FilterModule:
    """What Ansible loads."""

    def filters(self) -> dict[str, Callable[..., object]]:
        """Return the filters by name."""
        return {"public_key_fault": public_key_fault}
