from __future__ import annotations


class RegistryError(Exception):
    """Something went wrong that a person can act on.

    The sentence says what happened and what to do next; `code` is for programs and `status` is the HTTP answer.
    `detail` is for the journal only.
    """

    def __init__(self, sentence: str, code: str = "registry-error", status: int = 500, *, detail: str = "") -> None:
        super().__init__(sentence)
        self.sentence = sentence
        self.code = code
        self.status = status
        self.detail = detail

    @property
    def is_ours(self) -> bool:
        """Whether only the administrator can mend it, to whom alone the sentence is told."""
        return self.status >= 500 and self.code == "registry-error"


def bad_settings(sentence: str) -> RegistryError:
    """A setting is wrong: the service cannot start."""
    return RegistryError(sentence, "settings")


def refused(detail: str) -> RegistryError:
    """One answer for every failed proof of identity, so that it tells nothing about which part failed."""
    sentence = "Refused: the link's name and secret do not belong together."
    return RegistryError(sentence, "refused", 403, detail=detail)


def unsigned(detail: str) -> RegistryError:
    """One answer for every request that no cluster's key vouches for."""
    return RegistryError("Refused: no cluster vouches for this request.", "refused", 403, detail=detail)


def no_such_link() -> RegistryError:
    """Unknown links and links of other people look alike."""
    return RegistryError("You have no such link.", "no-such-link", 404)


def link_ended() -> RegistryError:
    """Told only to those who proved that the link is theirs."""
    return RegistryError("This link has ended. Start a new one.", "ended", 410)


def invalid(sentence: str, code: str = "bad-request") -> RegistryError:
    """A field of a request is wrong."""
    return RegistryError(sentence, code, 422)
