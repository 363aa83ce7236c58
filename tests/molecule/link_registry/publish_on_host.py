"""Make a user's link as the service would, as the service's user, and publish it at a target: it needs no job.

For the proxy host, with the Python and the package of the registry there. Arguments: user, and target or nothing.
Prints the link's name.
"""

from __future__ import annotations

import sys
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from lightship_registry.admin import host
from lightship_registry.core import settings
from lightship_registry.core.records import LinkRequest, Owner

CONFIGURATION = Path("/etc/lightship/registry.toml")


def publish(user: str, *target: str) -> str:
    """Make the link, and give it the target if there is one; its name."""
    loaded = settings.load(CONFIGURATION)
    host.become_service(loaded)
    _, parts = host.open_links(loaded)
    made, secret = parts.links.create(Owner("demo", user), LinkRequest(3600))
    for where in target:
        key = ec.generate_private_key(ec.SECP256R1())
        request = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([])).sign(key, hashes.SHA256())
        link = parts.links.of_secret(made.name, secret)
        parts.links.claim(link, request.public_bytes(serialization.Encoding.PEM).decode())
        parts.publisher.publish(parts.links.of_secret(made.name, secret), where)
    return made.name


print(publish(*sys.argv[1:]))
