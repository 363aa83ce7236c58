"""The notebook image in the form of each container runtime, made once for each bed."""

from __future__ import annotations

from support import bed

STORE = "/shared/environments"
ARCHIVE = "/shared/lightship/images/notebook.tar"
IMAGES = {
    "apptainer": f"{STORE}/notebook.sif",
    "charliecloud": f"{STORE}/notebook",
    "podman": f"docker-archive:{ARCHIVE}",
}
QUICK = "--mksquashfs-args '-comp gzip -Xcompression-level 1'"
BUILD = {
    "apptainer": f"apptainer build {QUICK} notebook.sif.new docker-archive:{ARCHIVE}",
    "charliecloud": "ch-convert -i podman -o dir $(podman load --quiet --input "
    + ARCHIVE
    + " | sed 's/^.*: //') notebook.new",
}


def build(runtime: str) -> None:
    """Build the one for a runtime, unless it is there; it takes a minute."""
    image = IMAGES[runtime]
    bed.run("login", f"mkdir -p {STORE}")
    whole = f"umask 022; rm -rf {image}.new; {BUILD[runtime]} && chmod -R a+rX {image}.new && mv {image}.new {image}"
    bed.run("login", f"cd {STORE} && [ -e {image} ] || {{ {whole}; }}")
