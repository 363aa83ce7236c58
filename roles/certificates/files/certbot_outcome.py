"""Why certbot failed: recognised by the classes of its errors, and by the authority's answers (RFC 8555)."""

from __future__ import annotations

import email.utils
import json
import re
import ssl
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

from certificate_failure import FULL, FailureError, disk_full

URN = "urn:ietf:params:acme:error:"
TOO_MANY = 429
SERVER_FAULT = 500
# OpenSSL's numbers for a certificate that is not valid yet, and for one that has expired.
NOT_YET, EXPIRED = 9, 10
# Certificates are judged by days, so a clock may be wrong by so much.
CLOCK_SECONDS = 3600
LAST_LINES = 3
RFC2136 = "dns-rfc2136"
# How libraries of providers name the error of a connection that fails, whatever else they say.
NO_CONNECTION = re.compile(r"Connect|Timeout|ServerNotFound|NameResolution|Transport")
LOG = "/var/log/letsencrypt/letsencrypt.log"
WAIT = "Nothing else has to be done: the renewal is tried twice a day."
AGAIN = "systemctl start lightship-certificates"


@dataclass
class Outcome:
    """What certbot did: its status, its errors, and the answers of the authority."""

    status: object = 0
    errors: list[BaseException] = field(default_factory=list)
    said: list[str] = field(default_factory=list)
    # Why the authority could not validate the domain: a type and a sentence for each try.
    invalid: list[tuple[str, str]] = field(default_factory=list)
    retry_after: str = ""
    # certbot's plugin that writes the challenge, and the statuses of a script's failed calls.
    writer: str = RFC2136
    hook_statuses: list[int] = field(default_factory=list)
    # How much this host's clock is ahead of the authority's.
    clock_offset: float = 0.0

    def answer(self, status: object = 0, head: object = "", body: object = "", *_: object) -> None:
        """Take an answer of the authority, as certbot logs it: status, lines of the head, body."""
        lines = (line.partition(":") for line in str(head).splitlines())
        fields = {key.strip().lower(): value.strip() for key, _, value in lines}
        if status == TOO_MANY:
            self.retry_after = fields.get("retry-after", "")
        if sent := email.utils.parsedate_tz(fields.get("date", "")):
            self.clock_offset = time.time() - email.utils.mktime_tz(sent)
        try:
            found = json.loads(str(body))
        except ValueError:
            return
        if isinstance(found, dict) and found.get("status") == "invalid":
            errors = [each["error"] for each in found.get("challenges", []) if isinstance(each.get("error"), dict)]
            self.invalid += [(_word(f"{each.get('type')}"), f"{each.get('detail')}") for each in errors]


def explain(outcome: Outcome, domain: str) -> FailureError | None:
    """Return what to tell, nothing if all is well."""
    if outcome.status:
        errors = [each for error in outcome.errors for each in _causes(error)]
        for recognise in (_of_the_system, _of_the_authority, _of_validation, _of_the_name_server, _of_the_network):
            if failure := recognise(errors, outcome, domain):
                return failure
    if abs(outcome.clock_offset) > CLOCK_SECONDS:
        return _clock(f"differs from the authority's by {abs(outcome.clock_offset) / CLOCK_SECONDS:.0f} hours")
    if not outcome.status:
        return None
    # The last of the errors is certbot's own count of the failures.
    last = [f"{error}" for error in outcome.errors[:1]] or outcome.said[-LAST_LINES:] or [f"status {outcome.status}"]
    told = " / ".join(" ".join(line.split()) for line in last).rstrip(".")
    return FailureError("unknown", f"certbot failed: {told}.", f"Read {LOG}, and run `{AGAIN}`.")


def _causes(error: BaseException, known: tuple[int, ...] = ()) -> Iterator[BaseException]:
    """Yield an error and those that led to it: libraries keep them in various places."""
    if id(error) in known:
        return
    yield error
    inner = (error.__cause__, error.__context__, getattr(error, "reason", None), *error.args)
    for each in inner:
        if isinstance(each, BaseException):
            yield from _causes(each, (*known, id(error)))


def _is(error: BaseException, package: str, *names: str) -> bool:
    """Tell whether an error is of a class of that package, which is in certbot's venv alone."""
    classes = ((each.__module__.partition(".")[0], each.__name__) for each in type(error).__mro__)
    return any(module == package and (not names or name in names) for module, name in classes)


def _word(urn: str) -> str:
    return urn.removeprefix(URN)


def _clock(how: str) -> FailureError:
    return FailureError(
        "clock", f"The clock of this host {how}.", f"Set it by NTP, e.g. with chrony, and run `{AGAIN}`."
    )


def _of_the_system(errors: list[BaseException], _: Outcome, __: str) -> FailureError | None:
    for error in errors:
        if isinstance(error, OSError) and error.errno in FULL:
            return disk_full(error)
        if isinstance(error, ssl.SSLCertVerificationError) and not any(
            _is(x, "certbot", "PluginError") for x in errors
        ):
            if error.verify_code in (NOT_YET, EXPIRED):
                return _clock(
                    "is wrong, or the certificate of the authority's server has expired: to this host it is "
                    f"{'not valid yet' if error.verify_code == NOT_YET else 'no longer valid'}"
                )
            return FailureError(
                "authority-untrusted",
                f"This host does not trust the certificate of the authority's server: {error.verify_message}.",
                "Set certificates_acme_ca_file to that server's authorities, and run site.yml --tags certificates.",
            )
        if _is(error, "dns", "BadTime", "PeerBadTime"):
            return _clock("differs from the name server's by more than five minutes")
    return None


def _of_the_authority(errors: list[BaseException], outcome: Outcome, domain: str) -> FailureError | None:
    problem = next((each for each in errors if f"{getattr(each, 'typ', '')}".startswith(URN)), None)
    if problem is None:
        return _answer_without_problem(errors, outcome)
    word, detail = _word(str(getattr(problem, "typ", ""))), f"{getattr(problem, 'detail', '')}".rstrip(".")
    if word == "rateLimited":
        return _rate_limited(detail, outcome)
    if word == "badNonce":
        return FailureError(
            "bad-nonce",
            f"The authority refused the nonce of a request twice: {detail}.",
            f"{WAIT} If it stays, a proxy between this host and the authority may keep its answers.",
        )
    if word in ("accountDoesNotExist", "externalAccountRequired", "unauthorized", "userActionRequired"):
        return FailureError(
            "account-refused",
            f"The authority refuses the account: {detail}.",
            "See certificates_email and certificates_eab_key_id, or ask the authority; then run site.yml.",
        )
    if word in ("rejectedIdentifier", "caa"):
        return _refused(domain, detail)
    if word in ("serverInternal", "orderNotReady"):
        return _fault(detail)
    return FailureError("authority-refused", f"The authority refused ({word}): {detail}.", f"Read {LOG}.")


def _answer_without_problem(errors: list[BaseException], outcome: Outcome) -> FailureError | None:
    """Recognise an answer that says nothing but its status, e.g. of a gateway before the authority."""
    for error in errors:
        for answer in error.args if _is(error, "acme", "ClientError") else ():
            status = getattr(answer, "status_code", 0)
            if status == TOO_MANY:
                return _rate_limited("", outcome)
            if status >= SERVER_FAULT:
                return _fault(f"status {status}")
    return _fault("it did not finish in time") if any(_is(each, "acme", "TimeoutError") for each in errors) else None


def _rate_limited(detail: str, outcome: Outcome) -> FailureError:
    until = ""
    if outcome.retry_after:
        seconds = f"{outcome.retry_after} seconds" if outcome.retry_after.isdigit() else outcome.retry_after
        until = f" It accepts the next request after: {seconds}."
    return FailureError(
        "rate-limited",
        f"The authority was asked too often (429){': ' if detail else ''}{detail}.{until}",
        f"{WAIT} `lightship certificates` lists what was issued; see which other hosts ask for the same domain.",
    )


def _fault(detail: str) -> FailureError:
    return FailureError("authority-failed", f"The authority has a fault: {detail}.", f"{WAIT} See its status page.")


def _refused(domain: str, detail: str) -> FailureError:
    return FailureError(
        "domain-refused",
        f"The authority may not issue for {domain}: {detail}.",
        f"See the CAA records of {domain} and of the domains above it: dig CAA {domain}.",
    )


def _of_validation(errors: list[BaseException], outcome: Outcome, domain: str) -> FailureError | None:
    if not outcome.invalid or not any(_is(each, "certbot", "AuthorizationError") for each in errors):
        return None
    word, detail = outcome.invalid[-1]
    if word == "caa":
        return _refused(domain, detail.rstrip("."))
    if outcome.hook_statuses:
        return FailureError(
            "hook-failed",
            f"The script that writes the challenge ended with status {outcome.hook_statuses[0]}, and the authority did "
            f"not find the challenge: {detail.rstrip('.')}.",
            f"Mend certificates_dns_hook; what it printed is in {LOG}. Then run site.yml --tags certificates.",
        )
    return FailureError(
        "validation-failed",
        f"The authority did not find the challenge in the name service ({word}): {detail.rstrip('.')}.",
        f"See from outside that the delegation leads to the name server: dig +trace TXT _acme-challenge.{domain}. "
        "If its secondaries are slow, raise certificates_propagation_seconds.",
    )


def _of_the_name_server(errors: list[BaseException], outcome: Outcome, domain: str) -> FailureError | None:
    plugin = next((each for each in errors if _is(each, "certbot", "PluginError")), None)
    if plugin is None:
        return None
    if outcome.writer != RFC2136:
        return _of_the_provider(errors, f"{plugin}".rstrip("."), domain)
    if any(_is(each, "dns", "PeerError", "BadSignature", "BadKey") for each in errors):
        return _key_refused(f"{plugin}")
    if any(_is(each, "dns", "Timeout") or isinstance(each, OSError) for each in errors):
        return FailureError(
            "name-server-unreachable",
            f"The name server that takes the challenge does not answer: {plugin}.",
            "See that it runs, that certificates_rfc2136_server is its address, and that its TCP port 53 is open here.",
        )
    # The plugin keeps the answer's code in its sentence alone.
    code = re.search(r"Received response from server: (\w+)", f"{plugin}")
    if code and code[1] in ("REFUSED", "NOTAUTH"):
        return _key_refused(code[1])
    said = code[1] if code else f"{plugin}".rstrip(".")
    return FailureError(
        "name-server-failed",
        f"The name server did not take the challenge for {domain}: {said}.",
        "Read `journalctl -u named` there, and see that it is a primary of the zone, in which it can write.",
    )


def _of_the_provider(errors: list[BaseException], said: str, domain: str) -> FailureError:
    """Tell a provider that cannot be reached from one that refuses."""
    if any(NO_CONNECTION.search(type(each).__name__) or isinstance(each, TimeoutError) for each in errors):
        return FailureError(
            "provider-unreachable",
            f"The API of the DNS provider cannot be reached: {said}.",
            f"See the network, the firewall and the name service of this host, and the provider's status page. {WAIT}",
        )
    return FailureError(
        "provider-refused",
        f"The DNS provider did not take the challenge for {domain}: {said}.",
        "See that certificates_dns_credentials are valid there, and that they may change TXT records of "
        f"_acme-challenge.{domain}; then run site.yml --tags certificates.",
    )


def _key_refused(said: str) -> FailureError:
    return FailureError(
        "update-key-refused",
        f"The name server refuses the update key of this host: {said.rstrip('.')}.",
        "Run site.yml --tags dns_zone,certificates, which gives both the same key; for another name server, see "
        "certificates_rfc2136_key_name and certificates_rfc2136_secret.",
    )


def _of_the_network(errors: list[BaseException], _: Outcome, __: str) -> FailureError | None:
    found = [each for each in errors if _is(each, "requests", "ConnectionError", "Timeout")]
    if not found:
        return None
    return FailureError(
        "authority-unreachable",
        f"The authority cannot be reached: {found[-1]}.",
        "See the network, the firewall and the name service of this host, and the authority's status page. "
        "The renewal is tried twice a day.",
    )
