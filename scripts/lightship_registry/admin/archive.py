"""A backup: one compressed tar file with a manifest that names every file in it and its SHA-256."""

from __future__ import annotations

import hashlib
import io
import json
import re
import tarfile
import zlib
from collections.abc import Callable, Container, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, BinaryIO

from lightship_registry.core.errors import RegistryError

FORMAT = 1
MANIFEST = "manifest.json"
LARGEST_MANIFEST = 1024 * 1024
CHUNK = 1024 * 1024
STORE = "state/registry.sqlite3"
# No other file is ever extracted from an archive, whoever made it.
KNOWN = re.compile(
    r"state/registry\.sqlite3|state/name_series|state/(authorities|web_proxy)/[a-z]+(-[a-z]+)?\.(crt|key|since)"
    r"|clusters/[a-z][a-z0-9-]{0,31}\.key(\.old)?|registry\.toml"
    r"|zone_keys/K[a-z0-9_.-]{1,200}\.\+[0-9]{3}\+[0-9]{5}\.(key|private|state)"
)


@dataclass(frozen=True)
class Manifest:
    """The manifest of a backup."""

    format: int
    version: str
    time: int
    domain: str
    # "sqlite", or "external" if the database is a server, which is not in the backup.
    store: str
    files: dict[str, str]


def pack(out: BinaryIO, manifest: Manifest, files: Mapping[str, Path], held: Mapping[str, bytes]) -> None:
    """Write a backup of files, as they are read here with their checksums, and of contents read before."""
    sums = {name: sha256(path) for name, path in sorted(files.items())}
    sums |= {name: hashlib.sha256(content).hexdigest() for name, content in sorted(held.items())}
    whole = Manifest(**{**asdict(manifest), "files": sums})
    text = json.dumps(asdict(whole), indent=2).encode("ascii")
    with tarfile.open(fileobj=out, mode="w:gz") as archive:
        _add(archive, MANIFEST, io.BytesIO(text), len(text), manifest.time)
        for name, path in sorted(files.items()):
            with path.open("rb") as file:
                _add(archive, name, file, path.stat().st_size, manifest.time)
        for name, content in sorted(held.items()):
            _add(archive, name, io.BytesIO(content), len(content), manifest.time)


def check(file: BinaryIO) -> Manifest:
    """Read the whole backup, and write nothing; any difference from the manifest is an error."""
    return _walk(file, lambda _name, content: _drain(content, None))


def unpack(file: BinaryIO, folder: Path) -> Manifest:
    """Extract the whole backup into the folder, and check it."""
    return _walk(file, lambda name, content: _extract(content, folder / name))


def contents(file: BinaryIO, folder: str) -> dict[str, bytes]:
    """The files in a folder of the backup, by name: `clusters` or `zone_keys`, whose files are small."""
    keys: dict[str, bytes] = {}

    def keep(name: str, content: IO[bytes]) -> str:
        if not name.startswith(f"{folder}/"):
            return _drain(content, None)
        data = content.read()
        keys[name.removeprefix(f"{folder}/")] = data
        return hashlib.sha256(data).hexdigest()

    _walk(file, keep)
    return keys


def _walk(file: BinaryIO, take: Callable[[str, IO[bytes]], str]) -> Manifest:
    found: dict[str, str] = {}
    file.seek(0)
    try:
        with tarfile.open(fileobj=file, mode="r:gz") as archive:
            manifest = _manifest(archive)
            while member := archive.next():
                found[member.name] = take(member.name, _content(archive, member, found))
    except (tarfile.TarError, zlib.error, EOFError, OSError, ValueError) as error:
        raise RegistryError(f"This cannot be read as a backup: {error}. Take another one.") from error
    said = manifest.files
    differing = sorted(name for name in found.keys() | said.keys() if found.get(name) != said.get(name))
    if differing:
        raise RegistryError(f"The backup is damaged: {differing[0]} is not what its manifest says. Take another one.")
    return manifest


def sha256(path: Path) -> str:
    """The SHA-256 of a file of any size."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _add(archive: tarfile.TarFile, name: str, content: IO[bytes], size: int, time: int) -> None:
    info = tarfile.TarInfo(name)
    info.size, info.mtime, info.mode = size, time, 0o600
    archive.addfile(info, content)


def _manifest(archive: tarfile.TarFile) -> Manifest:
    member = archive.next()
    file = archive.extractfile(member) if member and member.isfile() and member.name == MANIFEST else None
    if file is None:
        raise ValueError("it does not begin with a manifest")
    data = json.loads(file.read(LARGEST_MANIFEST))
    if not isinstance(data, dict) or data.get("format") != FORMAT:
        raise ValueError("it was made by another version of lightship")
    try:
        return Manifest(**data)
    except TypeError as error:
        raise ValueError("its manifest lacks something") from error


def _content(archive: tarfile.TarFile, member: tarfile.TarInfo, found: Container[str]) -> IO[bytes]:
    content = archive.extractfile(member) if member.isfile() else None
    if content is None or not KNOWN.fullmatch(member.name) or member.name in found:
        raise ValueError(f"it holds {member.name!r}, which is no part of a backup")
    return content


def _extract(content: IO[bytes], target: Path) -> str:
    target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with target.open("xb") as file:
        target.chmod(0o600)
        return _drain(content, file)


def _drain(content: IO[bytes], out: IO[bytes] | None) -> str:
    digest = hashlib.sha256()
    while chunk := content.read(CHUNK):
        digest.update(chunk)
        if out is not None:
            out.write(chunk)
    return digest.hexdigest()
