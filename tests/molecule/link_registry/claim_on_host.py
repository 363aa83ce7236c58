"""Claim a link as a job does, as the service's user, and print its name and the certificates that its notebook gets.

For the proxy host, with the Python and the package of the registry there.
"""

from __future__ import annotations

from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from lightship_registry.admin import host
from lightship_registry.core import settings
from lightship_registry.core.records import LinkRequest, Owner

loaded = settings.load(Path("/etc/lightship/registry.toml"))
host.become_service(loaded)
_, parts = host.open_links(loaded)
made, secret = parts.links.create(Owner("demo", "erin"), LinkRequest(3600))
request = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([]))
signed = request.sign(ec.generate_private_key(ec.SECP256R1()), hashes.SHA256())
claimed = parts.links.claim(
    parts.links.of_secret(made.name, secret), signed.public_bytes(serialization.Encoding.PEM).decode()
)
print(made.name)
print(claimed.certificate)
