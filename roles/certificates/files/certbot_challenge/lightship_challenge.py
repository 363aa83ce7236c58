"""A plugin of certbot: write the challenge for another domain, to which a CNAME record refers.

A site whose name server takes no changes sets one record there, once:

    _acme-challenge.<domain>. CNAME _acme-challenge.<other domain>.

The authority follows it; certbot's own plugins do not. This one has the plugin of the other domain's name server write
what the authority expects, under the other domain's name.
"""

from __future__ import annotations

import importlib.metadata
from collections.abc import Callable, Iterable
from typing import Any

from acme import challenges, messages
from certbot import achallenges, errors, interfaces
from certbot.plugins import common


class Authenticator(common.Plugin, interfaces.Authenticator):
    """Hands each challenge on to another plugin, with the other domain in place of its own."""

    description = "Write the challenge for another domain, to which a CNAME record refers"

    @classmethod
    def add_parser_arguments(cls, add: Callable[..., None]) -> None:
        """Define --lightship-challenge-domain and --lightship-challenge-writer."""
        add("domain", help="the domain whose _acme-challenge record takes the challenge")
        add("writer", help="the plugin that writes into that domain, e.g. dns-rfc2136")

    def prepare(self) -> None:
        """Load the plugin that writes; raise PluginError if certbot does not have it."""
        name = self.conf("writer")
        found = importlib.metadata.entry_points(group="certbot.plugins", name=name)
        if not found:
            raise errors.PluginError(f"certbot has no plugin {name}. Run the playbook with certificates_dns_provider.")
        self._writer = next(iter(found)).load()(self.config, name)
        self._writer.prepare()

    def more_info(self) -> str:
        """Return what this plugin does, for people."""
        return f"The challenge is written to _acme-challenge.{self.conf('domain')} by {self.conf('writer')}."

    def auth_hint(self, failed_achalls: list[achallenges.AnnotatedChallenge]) -> str:
        """Return what to look at after the authority did not find the challenge."""
        names = sorted({f"_acme-challenge.{challenge.identifier.value}" for challenge in failed_achalls})
        return (
            f"See that the name server has a CNAME record from {' and '.join(names)} to "
            f"_acme-challenge.{self.conf('domain')}. " + str(self._writer.auth_hint(failed_achalls))
        )

    def get_chall_pref(self, domain: str) -> Iterable[type[challenges.Challenge]]:
        """Return the kinds of challenges that the other plugin answers."""
        return list(self._writer.get_chall_pref(domain))

    def perform(self, achalls: list[achallenges.AnnotatedChallenge]) -> list[challenges.ChallengeResponse]:
        """Write the challenges, and return the answers for the authority."""
        return list(self._writer.perform(self._moved(achalls)))

    def cleanup(self, achalls: list[achallenges.AnnotatedChallenge]) -> None:
        """Remove the challenges."""
        self._writer.cleanup(self._moved(achalls))

    def _moved(self, achalls: list[achallenges.AnnotatedChallenge]) -> list[Any]:
        other = messages.Identifier(typ=messages.IDENTIFIER_FQDN, value=self.conf("domain"))
        return [type(each)(challb=each.challb, account_key=each.account_key, identifier=other) for each in achalls]
