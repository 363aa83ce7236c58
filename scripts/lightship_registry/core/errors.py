from __future__ import annotations


class RegistryError(Exception):
    """An error that a person can act on.

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
    """An error in the settings: the service cannot start."""
    return RegistryError(sentence, "settings")


def refused(detail: str) -> RegistryError:
    """The answer to every failed proof of identity. It does not tell which part failed."""
    sentence = "Refused: the link's name and secret do not belong together."
    return RegistryError(sentence, "refused", 403, detail=detail)


def unsigned(detail: str) -> RegistryError:
    """The answer to every request without a valid signature."""
    return RegistryError("Refused: no cluster vouches for this request.", "refused", 403, detail=detail)


def no_such_link() -> RegistryError:
    """The answer for unknown links and for links of others, which nobody can tell apart."""
    return RegistryError("You have no such link.", "no-such-link", 404)


def link_ended() -> RegistryError:
    """The answer for an ended link, only for those who proved that it is theirs."""
    return RegistryError("This link has ended. Start a new one.", "ended", 410)


def conflict(sentence: str, code: str) -> RegistryError:
    """The state of the link, or of another link, does not allow the request."""
    return RegistryError(sentence, code, 409)


def invalid(sentence: str, code: str = "bad-request") -> RegistryError:
    """A field of a request is wrong."""
    return RegistryError(sentence, code, 422)
