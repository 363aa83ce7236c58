"""The two interfaces that make links: Lightship's own and Satellite's.

Each finds links of its own alone (`Links._own`, `SatelliteStore.find`). A statement on a link that was found does not
ask again which interface made it.

Every difference between their links is a value of `Interface`, or is given to the parts that `links/parts.py` builds
for one of them.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Interface:
    """The properties that a link has because of the interface that made it."""

    # As in the store's column `api`.
    name: str
    # The web server uses it towards the notebook.
    scheme: str
    # The notebook has a certificate, and its owner's browser has a token. Without them, nobody can tell the owner from
    # others, and only an unbroken lease shows that the same notebook still listens.
    proves_owner: bool
    # The action in the audit when the service itself ends a link.
    end_action: str

    def route(self, target: str) -> str:
        """The URL that the web server is given for the target."""
        return f"{self.scheme}://{target}"


V1 = Interface("v1", "https", proves_owner=True, end_action="end")
# Satellite's clients know neither users nor TLS.
SATELLITE = Interface("satellite", "http", proves_owner=False, end_action="satellite-end")
INTERFACES = (V1, SATELLITE)
_BY_NAME = {each.name: each for each in INTERFACES}


def interface_of(name: str) -> Interface:
    """The interface of that name. A row that damage changed proves nothing, and must not stop the sweeper."""
    return _BY_NAME.get(name) or Interface(name, "https", proves_owner=False, end_action="end")
