"""What `sonnys doctor` learns from the API, by one request: address, TLS, credentials, site, clock, time zone."""

from __future__ import annotations

import ssl
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from sonnys_pipeline.client import (
    APIConnectionError,
    APIError,
    APIStatusError,
    AuthError,
    RateLimitError,
    RedirectedError,
    ResponseFormatError,
    Site,
    SonnysClient,
)
from sonnys_pipeline.client.site_codes import is_in, unnamed_sites
from sonnys_pipeline.doctor.machine import Finding, State, skipped
from sonnys_pipeline.runtime.quoting import printable

#: A clock this far off is worth setting, in seconds.
CLOCK_WARNING = 60.0
#: From here on the API refuses requests, in seconds (contract, "Reaching it").
CLOCK_LIMIT = 300.0

#: What to do, by the API's own word for a 403 (contract, "Errors").
_REMEDIES: Mapping[str, str] = {
    "MissingClientCredentialsError": "the headers did not arrive: look for a proxy that takes them out",
    "BadClientCredentialsError": "copy SONNYS_API_ID and SONNYS_API_KEY once more from the operator's BackOffice",
    "MismatchCredentialsError": (
        "production credentials need the production SONNYS_BASE_URL, sandbox ones the sandbox: change one of the two"
    ),
    "NotAuthorizedError": "ask Sonny's to license the Data API for this operator",
    "BadSiteCredentialsError": "correct SONNYS_SITE_CODE, or leave it out for every site",
    "NotAuthorizedSiteCredentialsError": "use a key that may read this site, or leave SONNYS_SITE_CODE out",
    "NotAuthorizedSiteArgsError": "use a key that may read this site, or leave SONNYS_SITE_CODE out",
}


@dataclass(frozen=True)
class Inquiry:
    """What came of the one request.

    Attributes:
        not_made: why it was not made; empty where it was.
        sites: the operator's sites; `None` where no list of them came.
        error: what went wrong, if anything did.
        clock_difference: our clock minus the server's, in seconds, as exact as its `Date` header; `None` if unknown.
    """

    not_made: str = ""
    sites: tuple[Site, ...] | None = None
    error: APIError | None = None
    clock_difference: float | None = None

    @property
    def answered(self) -> bool:
        """Whether any answer came, be it a refusal."""
        return not self.not_made and (not isinstance(self.error, APIConnectionError) or _is_redirect(self.error))


def inquire(client: SonnysClient, now: Callable[[], datetime]) -> Inquiry:
    """Ask for the list of sites: one request, which needs a permit like every other.

    Args:
        client: should repeat nothing, or it is more than one request.
        now: our clock, aware.
    """
    try:
        sites = tuple(client.sites.list())
    except APIError as error:
        return Inquiry(error=error, clock_difference=clock_difference_of(client.server_date, now()))
    return Inquiry(sites=sites, clock_difference=clock_difference_of(client.server_date, now()))


def check_tls(base_url: str, inquiry: Inquiry) -> Finding:
    """Whether nobody can read along: `https` with a certificate that holds, or a loopback address."""
    subject = "TLS"
    if urlsplit(base_url).scheme == "http":
        return Finding(subject, State.OK, f"{base_url} is on this machine and needs none")
    failure = _tls_failure(inquiry.error)
    if isinstance(failure, ssl.SSLCertVerificationError):
        return Finding(
            subject,
            State.PROBLEM,
            f"the certificate of {base_url} does not hold: {failure.verify_message}",
            "check SONNYS_BASE_URL and the clock of this machine; behind a proxy that opens TLS, let "
            "REQUESTS_CA_BUNDLE name its certificate",
        )
    if failure is not None:
        return Finding(
            subject,
            State.PROBLEM,
            f"{base_url} does not speak TLS as it should ({failure.reason or failure.strerror or 'no reason given'})",
            "check host and port of SONNYS_BASE_URL, and any proxy in between",
        )
    if not inquiry.answered:
        return skipped(subject, inquiry.not_made or "no connection came about")
    return Finding(subject, State.OK, f"{base_url}: the certificate holds")


def check_access(inquiry: Inquiry) -> Finding:
    """Whether the API answers, and accepts the credentials."""
    subject = "API"
    error = inquiry.error
    if inquiry.not_made:
        return skipped(subject, inquiry.not_made)
    if _tls_failure(error) is not None:
        return skipped(subject, "nothing is sent without TLS")
    if inquiry.sites is not None:
        if not inquiry.sites:
            remedy = "ask Sonny's which sites this key may see"
            return Finding(subject, State.WARNING, "answers, accepts the credentials, and shows no site", remedy)
        count = len(inquiry.sites)
        return Finding(
            subject, State.OK, f"answers and accepts the credentials; {count} {'site' if count == 1 else 'sites'}"
        )
    if _is_of_site(error):
        return Finding(subject, State.OK, "answers and accepts the credentials, but not the site")
    if isinstance(error, APIStatusError):
        # A spent budget passes by itself, and says that the API is there.
        state = State.WARNING if isinstance(error, RateLimitError) else State.PROBLEM
        said = "; ".join(error.messages) or error.body or "no message"
        remedy = _REMEDIES.get(error.type or "", error.remedy)
        return Finding(subject, state, f"HTTP {error.status} {error.type or 'without a type'}: {said}", remedy)
    if isinstance(error, ResponseFormatError):
        remedy = "check SONNYS_BASE_URL; a login page or a proxy may answer in the API's place"
    elif _is_redirect(error):
        remedy = "let SONNYS_BASE_URL name the address where the API itself answers"
    else:
        remedy = "check SONNYS_BASE_URL, the network, and any proxy or firewall in between"
    return Finding(subject, State.PROBLEM, str(error).partition("; check ")[0], remedy)


def check_site(site_code: str | None, inquiry: Inquiry) -> Finding:
    """Whether `SONNYS_SITE_CODE`, where it is set, is one of the operator's sites."""
    subject = "site"
    if not site_code:
        detail = "SONNYS_SITE_CODE is not set: every site is read"
        if unnamed := unnamed_sites(inquiry.sites or ()):
            detail += (
                f"; {', '.join(map(printable, unnamed))} {'has' if len(unnamed) == 1 else 'have'} no code, so that no "
                "load job can name it: rows there would show as missing in the API's count of a day"
            )
        return Finding(subject, State.OK, detail)
    if isinstance(inquiry.error, AuthError) and _is_of_site(inquiry.error):
        said = "; ".join(inquiry.error.messages) or "refused"
        return Finding(subject, State.PROBLEM, f"{site_code}: {said}", _REMEDIES[inquiry.error.type or ""])
    if inquiry.sites is None:
        return skipped(subject, inquiry.not_made or "the API did not list its sites")
    codes = [site.code for site in inquiry.sites if site.code]
    if not is_in(site_code, codes):
        remedy = f"set SONNYS_SITE_CODE to one of {', '.join(codes)}" if codes else "leave SONNYS_SITE_CODE out"
        return Finding(subject, State.PROBLEM, f"{site_code} is none of the operator's sites", remedy)
    return Finding(subject, State.OK, f"{site_code}: only its rows are read")


def check_clock(inquiry: Inquiry) -> Finding:
    """Whether our clock agrees with the server's; a step beyond five minutes, and it refuses every request."""
    subject = "clock"
    seconds = inquiry.clock_difference
    if seconds is None:
        return skipped(subject, inquiry.not_made or "not known: no answer told the server's time")
    if abs(seconds) < CLOCK_WARNING:
        return Finding(subject, State.OK, f"{seconds:+.0f} s from the server's")
    detail = f"{abs(seconds):,.0f} s {'ahead of' if seconds > 0 else 'behind'} the server's; it refuses more than 300"
    state = State.WARNING if abs(seconds) < CLOCK_LIMIT else State.PROBLEM
    return Finding(subject, state, detail, "set the clock of this machine, and keep it right with NTP")


def check_timezone(timezone: str, inquiry: Inquiry, landed: Sequence[str], now: datetime) -> Finding:
    """Whether yesterday is over at every site when the partition of yesterday is: in the zone of the westernmost site.

    Args:
        timezone: zone of the partitions.
        inquiry: knows the sites.
        landed: days that are landed; cutting them anew is a step of its own.
        now: aware; offsets from UTC are those of the moment.
    """
    subject, days = "time zone", f"days begin at midnight in {timezone}"
    zones = Counter(site.timezone for site in inquiry.sites or () if site.timezone and _is_zone(site.timezone))

    def offset(zone: str) -> timedelta:
        return now.astimezone(ZoneInfo(zone)).utcoffset() or timedelta()

    if not zones or offset(timezone) == min(map(offset, zones)):
        return Finding(subject, State.OK, days)
    west = min(zones, key=lambda zone: (offset(zone), -zones[zone]))
    sites = f"{zones[west]} of {zones.total()} sites"
    then = ", then cut the landed days anew: sonnys replay --rezone" if landed else " before the first day is landed"
    if offset(timezone) < offset(west):
        return Finding(
            subject,
            State.WARNING,
            f"{days}, which is west of every site: a day is landed hours later than it could be",
            f"set SONNYS_TIMEZONE={west} ({sites}, the westernmost){then}",
        )
    return Finding(
        subject,
        State.WARNING,
        f"{days}, east of {sites}: their last hours of a day are landed a day later, and reports wait for them",
        f"set SONNYS_TIMEZONE={west}, the westernmost zone{then}",
    )


def _is_zone(name: str) -> bool:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return False
    return True


def _is_of_site(error: APIError | None) -> bool:
    return isinstance(error, AuthError) and error.concerns_site


def _is_redirect(error: APIError | None) -> bool:
    return isinstance(error, RedirectedError)


def clock_difference_of(server_date: str | None, now: datetime) -> float | None:
    """Our clock minus the server's, in seconds; `None` where the header is missing or no date."""
    try:
        served = parsedate_to_datetime(server_date or "")
    except ValueError:
        return None
    return (now - (served if served.tzinfo else served.replace(tzinfo=UTC))).total_seconds()


def _tls_failure(error: BaseException | None) -> ssl.SSLError | None:
    """The TLS library's own error, somewhere inside of what the HTTP library made of it."""
    while error is not None and not isinstance(error, ssl.SSLError):
        inner = error.__cause__ or error.__context__ or getattr(error, "reason", None)
        error = inner if isinstance(inner, BaseException) else None
    return error
