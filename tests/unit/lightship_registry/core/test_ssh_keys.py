from __future__ import annotations

import base64
import subprocess
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from lightship_cluster.login import public_keys
from lightship_registry.core.errors import RegistryError
from lightship_registry.core.ssh_keys import is_whole, parse
from unit.lightship_registry.keys import new_key


@pytest.mark.parametrize("options", ["-t ed25519", "-t ecdsa -b 256", "-t ecdsa -b 521", "-t rsa -b 2048"])
def test_the_fingerprint_is_that_of_ssh_keygen(tmp_path: Path, options: str) -> None:
    line = new_key(tmp_path, *options.split(), comment="alice at home")
    said = subprocess.run(["ssh-keygen", "-l", "-f", tmp_path / "key.pub"], check=True, capture_output=True, text=True)
    key = parse(line)
    assert key.fingerprint == said.stdout.split()[1]
    assert key.comment == "alice at home"
    assert f"{key.text} alice at home" == line
    assert is_whole(key.text, key.fingerprint)
    assert public_keys.key_in(str(tmp_path / "key.pub")) == line, "the command takes the same"


def test_what_is_no_key_line_is_refused(tmp_path: Path) -> None:
    line = new_key(tmp_path)
    kind, base, _ = line.split(" ", 2)
    other = base64.b64encode(base64.b64decode(base)[:-1]).decode("ascii")
    for wrong in (
        "",
        kind,
        (tmp_path / "key").read_text(),
        f'command="id" {line}',
        f"{line}\n{line}",
        f"{kind} {base}\nssh-rsa",
        f"{kind} {base} com\x1bment",
        f"{kind}  {base}",
        f"{kind} {other}",
        f"ssh-rsa {base}",
        f"ssh-dss {base}",
        f"ssh-ed25519-cert-v01@openssh.com {base}",
        f"{kind} {base[:-4]}",
    ):
        with pytest.raises(RegistryError) as caught:
            parse(wrong)
        assert (caught.value.code, caught.value.status) == ("bad-key", 422), wrong


def test_a_short_rsa_key_is_refused_with_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(RegistryError, match=r"1024 bits, too few\. Make another: ssh-keygen -t ed25519"):
        parse(new_key(tmp_path, "-t", "rsa", "-b", "1024"))


def blob_of(*parts: bytes) -> str:
    return base64.b64encode(b"".join(len(part).to_bytes(4, "big") + part for part in parts)).decode("ascii")


def test_a_key_has_one_text_alone() -> None:
    # sshd takes such a text for the same key, and obeys the first line of a key alone.
    numbers = rsa.generate_private_key(65537, 2048).public_key().public_numbers()
    modulus = numbers.n.to_bytes(257, "big")
    parse(f"ssh-rsa {blob_of(b'ssh-rsa', bytes((1, 0, 1)), modulus)}")
    for exponent, written in ((bytes((0, 1, 0, 1)), modulus), (bytes((1, 0, 1)), b"\0" + modulus)):
        with pytest.raises(RegistryError, match="no whole ssh-rsa key"):
            parse(f"ssh-rsa {blob_of(b'ssh-rsa', exponent, written)}")


def test_a_point_in_fewer_bytes_is_refused() -> None:
    point = ec.generate_private_key(ec.SECP256R1()).public_key()
    short = point.public_bytes(Encoding.X962, PublicFormat.CompressedPoint)
    for kind, more in (("ecdsa-sha2-nistp256", ()), ("sk-ecdsa-sha2-nistp256@openssh.com", (b"ssh:",))):
        with pytest.raises(RegistryError, match="no whole"):
            parse(f"{kind} {blob_of(kind.encode(), b'nistp256', short, *more)}")


def test_a_row_that_a_disk_changed_is_not_whole(tmp_path: Path) -> None:
    key, other = parse(new_key(tmp_path)), parse(new_key(tmp_path))
    assert not is_whole(other.text, key.fingerprint)
    assert not is_whole(f"{key.text}\n{other.text}", key.fingerprint)
    assert not is_whole(f"{key.text} x", key.fingerprint)
    assert not is_whole("", key.fingerprint)
