"""The versions of a certificate: certbot's folders, and what is wrong with the files of one version.

`archive/<name>` has the files of version 3 as cert3.pem, privkey3.pem and so on; `live/<name>`, here called the
lineage, has links to those in place.
"""

from __future__ import annotations

import itertools
import re
import ssl
from pathlib import Path

from certificate_failure import FailureError

FILES = ("cert", "privkey", "chain", "fullchain")
NUMBER = re.compile(r"(?:cert|privkey|chain|fullchain)([0-9]+)\.pem")
BLOCK = re.compile(r"-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----")
# The version of a certificate's form comes before its serial number, if it is there.
VERSION_TAG = 0xA0
DAMAGED, MISMATCH, CHAIN = "files-damaged", "key-mismatch", "chain-broken"


def certificates(path: Path) -> list[bytes]:
    """Return the certificates of a PEM file in binary form, none where the file is damaged."""
    try:
        return [ssl.PEM_cert_to_DER_cert(block) for block in BLOCK.findall(path.read_text("ascii"))]
    except (OSError, ValueError):
        return []


def leaf(path: Path) -> bytes:
    """Return the first certificate of a PEM file, nothing where the file is damaged."""
    return next(iter(certificates(path)), b"")


def serial(certificate: bytes) -> str:
    """Return the serial number of a certificate as openssl and browsers show it: two digits for each byte."""
    return _inside(_fields(certificate)[0]).lstrip(b"\0").hex().upper() or "00"


def _issuer(certificate: bytes) -> bytes:
    return _fields(certificate)[2]


def _subject(certificate: bytes) -> bytes:
    return _fields(certificate)[4]


def _fields(certificate: bytes) -> list[bytes]:
    """Return the parts of a certificate: serial number, algorithm, issuer, validity, subject and so on."""
    values = _values(_inside(_values(_inside(certificate))[0]))
    return values[1:] if values[0][0] == VERSION_TAG else values


def _values(data: bytes) -> list[bytes]:
    """Return the DER values that follow each other in `data`."""
    at, found = 0, []
    while at < len(data):
        end = _bounds(data, at)[1]
        found.append(data[at:end])
        at = end
    return found


def _inside(value: bytes) -> bytes:
    start, end = _bounds(value, 0)
    return value[start:end]


def _bounds(data: bytes, at: int) -> tuple[int, int]:
    """Return where the content of the DER value at `at` starts and ends."""
    length, start = data[at + 1], at + 2
    if length & 0x80:
        count = length & 0x7F
        length, start = int.from_bytes(data[start : start + count], "big"), start + count
    return start, start + length


def archive(lineage: Path) -> Path:
    """Return the folder with all versions."""
    return lineage.parent.parent / "archive" / lineage.name


def version(link: Path) -> int:
    """Return the version that a link of the lineage points to: 3 for ../../archive/<name>/cert3.pem."""
    found = NUMBER.fullmatch(link.readlink().name) if link.is_symlink() else None
    if not found:
        raise FailureError(
            DAMAGED,
            f"{link} is no link into the folder {archive(link.parent)}.",
            "Restore /etc/letsencrypt from the backup.",
        )
    return int(found[1])


def numbers(lineage: Path) -> list[int]:
    """Return the versions of which any file is there, oldest first."""
    found = (NUMBER.fullmatch(path.name) for path in archive(lineage).glob("*.pem"))
    return sorted({int(each[1]) for each in found if each})


def of_version(lineage: Path, number: int) -> dict[str, Path]:
    """Return the files of a version, by kind."""
    return {name: archive(lineage) / f"{name}{number}.pem" for name in FILES}


def in_place(lineage: Path) -> dict[str, Path]:
    """Return the files that the web server reads, by kind."""
    return {name: lineage / f"{name}.pem" for name in FILES}


def point_to(lineage: Path, number: int) -> None:
    """Point the lineage's links to one version, as certbot does; a link is never missing meanwhile."""
    for name, file in of_version(lineage, number).items():
        link, beside = lineage / f"{name}.pem", lineage / f".{name}.pem.new"
        beside.unlink(missing_ok=True)
        beside.symlink_to(Path("../..", "archive", lineage.name, file.name))
        beside.replace(link)


def fault(files: dict[str, Path], *, needs_chain: bool) -> tuple[str, str] | None:
    """Return a word and a clause for what is wrong with the files of a version; none if a web server can use them."""
    if missing := [file for file in files.values() if not file.exists()]:
        return DAMAGED, f"{missing[0]} is missing"
    shown = certificates(files["fullchain"])
    if shown and leaf(files["cert"]) in shown[1:]:
        return CHAIN, f"the certificates in {files['fullchain']} are in the wrong order"
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    # How strong a key must be is the web server's affair.
    context.set_ciphers("DEFAULT:@SECLEVEL=0")
    try:
        # Without a password, OpenSSL would ask for one.
        context.load_cert_chain(files["fullchain"], files["privkey"], password="")
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            return MISMATCH, f"{files['privkey']} is not the key of {files['fullchain']}"
        return DAMAGED, f"{files['fullchain']} or {files['privkey']} is damaged ({error.reason or 'no PEM'})"
    return _chain_fault(files, shown, needs_chain=needs_chain)


def _chain_fault(files: dict[str, Path], shown: list[bytes], *, needs_chain: bool) -> tuple[str, str] | None:
    if needs_chain and len(shown) == 1:
        return CHAIN, f"{files['fullchain']} lacks the certificates of the authority"
    if any(_issuer(lower) != _subject(upper) for lower, upper in itertools.pairwise(shown)):
        return CHAIN, f"the certificates in {files['fullchain']} are in the wrong order, or one is missing"
    if certificates(files["cert"]) + certificates(files["chain"]) != shown:
        return CHAIN, f"{files['fullchain']} does not consist of {files['cert'].name} and {files['chain'].name}"
    return None


def mend(lineage: Path) -> None:
    """Put right what a full disk or a power failure interrupted: a newer version that is not whole, a missing link.

    certbot would take such a version for the newest one, put it in place, and ask for no other until it expires.
    """
    found = numbers(lineage)
    whole = [number for number in found if not fault(of_version(lineage, number), needs_chain=True)]
    if whole and not all(link.is_symlink() for link in in_place(lineage).values()):
        point_to(lineage, whole[-1])
    present = version(lineage / "cert.pem")
    for number in found:
        if number > present and number not in whole:
            for file in of_version(lineage, number).values():
                file.unlink(missing_ok=True)
