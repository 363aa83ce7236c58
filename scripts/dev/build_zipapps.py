#!/usr/bin/env python3
"""Packs each command into one file that runs with any Python; the same sources give the same bytes."""

from __future__ import annotations

import argparse
import io
import os
import stat
import sys
import zipfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

SCRIPTS = Path(__file__).resolve().parents[1]
REPOSITORY = SCRIPTS.parent
# The earliest time in a zip archive.
EPOCH = (1980, 1, 1, 0, 0, 0)
SHEBANG = b"#!/usr/bin/env python3\n"
# For commands that users run, whose module systems set variables for other programs: the host's own Python, without
# these variables (-I) and without packages (-S). The variables of the loader must be removed before Python starts;
# __main__.py restores them for the programs that it starts. Old kernels read only 127 bytes of this line.
ISOLATED = (
    b"#!/usr/bin/env -S -u LD_PRELOAD -u LD_LIBRARY_PATH "
    b"LIGHTSHIP_LD=${LD_PRELOAD}\\n${LD_LIBRARY_PATH} /usr/bin/python3 -IS\n"
)
# Python and the data that the packages read at run time; other files are left out.
SUFFIXES = {".py", ".sh", ".txt", ".html", ".css", ".js", ".json", ".typed"}
SKIPPED = {"requirements.txt", "batch", "__pycache__"}

# Must run on any Python 3, to say that a newer one is needed.
MAIN = """\
import sys
if sys.version_info < ({floor[0]}, {floor[1]}):
    sys.exit("{name} needs Python {floor[0]}.{floor[1]} or newer; this is %d.%d." % sys.version_info[:2])
from {module} import main
sys.exit(main())
"""

# The same for the isolated line. The user's variables are passed on unchanged to the programs that are started:
# os.environ has them, even those that this process must not use.
ISOLATED_MAIN = """\
import os
import sys

old, again = sys.version_info < ({floor[0]}, {floor[1]}), os.environ.pop("LIGHTSHIP_AGAIN", "")


def start_again(python):
    os.execve(python, [python, "-IS"] + sys.argv, dict(os.environ, LIGHTSHIP_AGAIN="1"))


if old and not again:
    from shutil import which

    for minor in range(40, {floor[1]} - 1, -1):
        if which("python3.%d" % minor, path="/usr/bin"):
            start_again("/usr/bin/python3.%d" % minor)
for name, value in zip(("LD_PRELOAD", "LD_LIBRARY_PATH"), os.environ.pop("LIGHTSHIP_LD", "").split("\\n")):
    if value:
        os.environ[name] = value
if old and not again and which("python3"):
    # The user's own, which may need these libraries.
    start_again(which("python3"))
if old:
    sys.exit(
        "{name} needs Python {floor[0]}.{floor[1]} or newer; this is %d.%d. Activate an environment with a newer "
        "python3, or ask your administrators for one in /usr/bin." % sys.version_info[:2]
    )
for name in os.environ:
    if name.startswith(("OPENSSL_", "SSL")):
        os.unsetenv(name)
if os.environ.get("LC_CTYPE", "").lower() in ("c.utf-8", "c.utf8", "utf-8"):
    # Python sets it where there is none, and where it is C.
    try:
        with open("/proc/self/environ", "rb") as before:
            given = [entry[9:] for entry in before.read().split(b"\\0") if entry.startswith(b"LC_CTYPE=")]
        del os.environ["LC_CTYPE"]
        os.environ.update([("LC_CTYPE", os.fsdecode(value)) for value in given[:1]])
    except OSError:
        pass

from {module} import main

sys.exit(main())
"""


@dataclass(frozen=True)
class App:
    """One file to build."""

    name: str
    package: str
    module: str
    floor: tuple[int, int]
    shebang: bytes = SHEBANG
    main: str = MAIN


_CLUSTER, _REGISTRY = "lightship_cluster", "lightship_registry"
# Packed into every file.
_PROTOCOL = "lightship_protocol"
APPS = (
    App("start-jupyter", _CLUSTER, f"{_CLUSTER}.login.start_jupyter", (3, 9), ISOLATED, ISOLATED_MAIN),
    App("register-jupyter", _CLUSTER, f"{_CLUSTER}.job.register_jupyter", (3, 9), ISOLATED, ISOLATED_MAIN),
    App("lightship-agent", _CLUSTER, f"{_CLUSTER}.agent.agent", (3, 9), ISOLATED, ISOLATED_MAIN),
    App("lightship-qstat", _CLUSTER, f"{_CLUSTER}.agent.qstat_service", (3, 9), ISOLATED, ISOLATED_MAIN),
    App("lightship-registry.pyz", _REGISTRY, f"{_REGISTRY}.cli", (3, 11)),
    App("lightship.pyz", _REGISTRY, f"{_REGISTRY}.admin.cli", (3, 11)),
)


def main(argv: Sequence[str] | None = None) -> int:
    """Build all files, or the named ones."""
    parser = argparse.ArgumentParser(description="Build the single-file commands.")
    parser.add_argument("--dist", type=Path, default=REPOSITORY / "dist", help="where they go (default: dist)")
    parser.add_argument("names", nargs="*", metavar="NAME", help="only these: " + ", ".join(app.name for app in APPS))
    options = parser.parse_args(argv)
    unknown = set(options.names) - {app.name for app in APPS}
    if unknown:
        parser.error(f"there is no {sorted(unknown)[0]!r}")
    options.dist.mkdir(parents=True, exist_ok=True)
    for app in APPS:
        if not options.names or app.name in options.names:
            write(options.dist / app.name, content(app))
    return 0


def content(app: App) -> bytes:
    """The content of the file."""
    buffer = io.BytesIO(app.shebang)
    buffer.seek(0, os.SEEK_END)
    with zipfile.ZipFile(buffer, "w") as archive:
        _add(archive, "__main__.py", app.main.format(name=app.name, module=app.module, floor=app.floor).encode("ascii"))
        for source in (path for package in (app.package, _PROTOCOL) for path in sources(SCRIPTS / package)):
            _add(archive, source.relative_to(SCRIPTS).as_posix(), source.read_bytes())
    return buffer.getvalue()


def sources(package: Path) -> Iterator[Path]:
    """The package's own files, in an order that does not depend on the file system."""
    for path in sorted(package.rglob("*")):
        if path.is_file() and path.suffix in SUFFIXES and SKIPPED.isdisjoint(path.relative_to(package).parts):
            yield path


def write(path: Path, data: bytes, mode: int = 0o755) -> None:
    """Write the file by a rename, and only if it differs: several roles may build at the same time."""
    if path.is_file() and path.read_bytes() == data and stat.S_IMODE(path.stat().st_mode) == mode:
        return
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    fresh.write_bytes(data)
    fresh.chmod(mode)
    fresh.replace(path)
    print(f"built {path}")


def write_texts(argv: Sequence[str] | None, what: str, texts: Callable[[], dict[str, str]], mode: int = 0o644) -> int:
    """The main function of a script that writes files for users; `texts` gives their contents by path."""
    parser = argparse.ArgumentParser(description=f"Write {what}.")
    parser.add_argument("--dist", type=Path, default=REPOSITORY / "dist", help="where it goes (default: dist)")
    options = parser.parse_args(argv)
    for name, text in texts().items():
        path = options.dist / name
        path.parent.mkdir(parents=True, exist_ok=True)
        write(path, text.encode("utf-8"), mode)
    return 0


def _add(archive: zipfile.ZipFile, name: str, data: bytes) -> None:
    info = zipfile.ZipInfo(name, EPOCH)
    info.external_attr = 0o100644 << 16
    info.create_system = 3
    # Stored, not compressed: the result must not depend on the builder's version of zlib.
    archive.writestr(info, data, zipfile.ZIP_STORED)


if __name__ == "__main__":
    sys.exit(main())
