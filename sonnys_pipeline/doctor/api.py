"""Checks of `sonnys doctor` that need one request to the API: TLS, access, site, clock, time zone."""

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

#: Clock difference for a warning, in seconds.
CLOCK_WARNING = 60.0
#: Clock difference from which the API refuses requests, in seconds (contract, "Reaching it").
CLOCK_LIMIT = 300.0

#: Remedies by the API's type of a 403 (contract, "Errors").
_REMEDIES: Mapping[str, str] = {
    "MissingClientCredentialsError": "the headers did not arrive; check for a proxy that removes them",
    "BadClientCredentialsError": "copy SONNYS_API_ID and SONNYS_API_KEY again from the operator's BackOffice",
    "MismatchCredentialsError": (
        "production credentials need the production SONNYS_BASE_URL, sandbox credentials the sandbox URL"
    ),
    "NotAuthorizedError": "ask Sonny's to license the Data API for this operator",
    "BadSiteCredentialsError": "correct SONNYS_SITE_CODE, or remove it to read all sites",
    "NotAuthorizedSiteCredentialsError": "use a key that may read this site, or remove SONNYS_SITE_CODE",
    "NotAuthorizedSiteArgsError": "use a key that may read this site, or remove SONNYS_SITE_CODE",
}


@dataclass(frozen=True)
class Inquiry:
    """Result of the one request.

    Attributes:
        not_made: why it was not sent; empty if it was.
        sites: the operator's sites, if listed.
        error: the error, if any.
        clock_difference: our clock minus the server's in seconds, as exact as its `Date` header; None if unknown.
    """

    not_made: str = ""
    sites: tuple[Site, ...] | None = None
    error: APIError | None = None
    clock_difference: float | None = None

    @property
    def answered(self) -> bool:
        """Whether the server answered, even with an error."""
        return not self.not_made and (not isinstance(self.error, APIConnectionError) or _is_redirect(self.error))


def inquire(client: SonnysClient, now: Callable[[], datetime]) -> Inquiry:
    """Request the list of sites, within the request budget.

    Args:
        client: should not retry, else it sends more than one request.
        now: our clock, aware.
    """
    try:
        sites = tuple(client.sites.list())
    except APIError as error:
        return Inquiry(error=error, clock_difference=clock_difference_of(client.server_date, now()))
    return Inquiry(sites=sites, clock_difference=clock_difference_of(client.server_date, now()))


def check_tls(base_url: str, inquiry: Inquiry) -> Finding:
    """Whether the connection is private: `https` with a valid certificate, or a loopback address."""
    subject = "TLS"
    if urlsplit(base_url).scheme == "http":
        return Finding(subject, State.OK, f"{base_url} is on this machine and needs no TLS")
    failure = _tls_failure(inquiry.error)
    if isinstance(failure, ssl.SSLCertVerificationError):
        return Finding(
            subject,
            State.PROBLEM,
            f"the certificate of {base_url} is not valid: {failure.verify_message}",
            "check SONNYS_BASE_URL and the clock of this machine; behind a proxy that decrypts TLS, set "
            "REQUESTS_CA_BUNDLE to its certificate",
        )
    if failure is not None:
        return Finding(
            subject,
            State.PROBLEM,
            f"{base_url} does not speak TLS correctly ({failure.reason or failure.strerror or 'no reason given'})",
            "check host and port of SONNYS_BASE_URL, and any proxy in between",
        )
    if not inquiry.answered:
        return skipped(subject, inquiry.not_made or "no connection")
    return Finding(subject, State.OK, f"{base_url}: the certificate is valid")


def check_access(inquiry: Inquiry) -> Finding:
    """Whether the API answers, and accepts the credentials."""
    subject = "API"
    error = inquiry.error
    if inquiry.not_made:
        return skipped(subject, inquiry.not_made)
    if _tls_failure(error) is not None:
        return skipped(subject, "no request is sent without TLS")
    if inquiry.sites is not None:
        if not inquiry.sites:
            remedy = "ask Sonny's which sites this key may see"
            return Finding(subject, State.WARNING, "answers and accepts the credentials, but lists no site", remedy)
        count = len(inquiry.sites)
        return Finding(
            subject, State.OK, f"answers and accepts the credentials; {count} {'site' if count == 1 else 'sites'}"
        )
    if _is_of_site(error):
        return Finding(subject, State.OK, "answers and accepts the credentials, but not the site")
    if isinstance(error, APIStatusError):
        # A 429 is temporary, and proves that the API works.
        state = State.WARNING if isinstance(error, RateLimitError) else State.PROBLEM
        message = "; ".join(error.messages) or error.body or "no message"
        remedy = _REMEDIES.get(error.type or "", error.remedy)
        return Finding(subject, state, f"HTTP {error.status} {error.type or 'without a type'}: {message}", remedy)
    if isinstance(error, ResponseFormatError):
        remedy = "check SONNYS_BASE_URL; a login page or a proxy may answer instead of the API"
    elif _is_redirect(error):
        remedy = "set SONNYS_BASE_URL to the address that the API itself answers at"
    else:
        remedy = "check SONNYS_BASE_URL, the network, and any proxy or firewall in between"
    return Finding(subject, State.PROBLEM, str(error).partition("; check ")[0], remedy)


def check_site(site_code: str | None, inquiry: Inquiry) -> Finding:
    """Whether `SONNYS_SITE_CODE`, if set, is one of the operator's sites."""
    subject = "site"
    if not site_code:
        detail = "SONNYS_SITE_CODE is not set, so all sites are read"
        if unnamed := unnamed_sites(inquiry.sites or ()):
            detail += (
                f"; {', '.join(map(printable, unnamed))} {'has' if len(unnamed) == 1 else 'have'} no code, so no load "
                "job can read it: its rows will be missing from the API's count of a day"
            )
        return Finding(subject, State.OK, detail)
    if isinstance(inquiry.error, AuthError) and _is_of_site(inquiry.error):
        message = "; ".join(inquiry.error.messages) or "refused"
        return Finding(subject, State.PROBLEM, f"{site_code}: {message}", _REMEDIES[inquiry.error.type or ""])
    if inquiry.sites is None:
        return skipped(subject, inquiry.not_made or "the API did not list its sites")
    codes = [site.code for site in inquiry.sites if site.code]
    if not is_in(site_code, codes):
        remedy = f"set SONNYS_SITE_CODE to one of {', '.join(codes)}" if codes else "remove SONNYS_SITE_CODE"
        return Finding(subject, State.PROBLEM, f"{site_code} is not one of the operator's sites", remedy)
    return Finding(subject, State.OK, f"{site_code}: only this site is read")


def check_clock(inquiry: Inquiry) -> Finding:
    """Whether our clock agrees with the server's, which refuses requests that are off by more than five minutes."""
    subject = "clock"
    seconds = inquiry.clock_difference
    if seconds is None:
        return skipped(subject, inquiry.not_made or "unknown: no response had the server's time")
    if abs(seconds) < CLOCK_WARNING:
        return Finding(subject, State.OK, f"{seconds:+.0f} s from the server's")
    detail = (
        f"{abs(seconds):,.0f} s {'ahead of' if seconds > 0 else 'behind'} the server's, which refuses more than 300 s"
    )
    state = State.WARNING if abs(seconds) < CLOCK_LIMIT else State.PROBLEM
    return Finding(subject, state, detail, "set the clock of this machine, and keep it synchronized with NTP")


def check_timezone(timezone: str, inquiry: Inquiry, landed: Sequence[str], now: datetime) -> Finding:
    """Whether the partitions use the zone of the westernmost site, so that a day is over at every site.

    Args:
        timezone: zone of the partitions.
        inquiry: has the sites.
        landed: landed days; they need a replay if the zone changes.
        now: aware; decides on the offsets from UTC.
    """
    subject, days = "time zone", f"days begin at midnight in {timezone}"
    zones = Counter(site.timezone for site in inquiry.sites or () if site.timezone and _is_zone(site.timezone))

    def offset(zone: str) -> timedelta:
        return now.astimezone(ZoneInfo(zone)).utcoffset() or timedelta()

    if not zones or offset(timezone) == min(map(offset, zones)):
        return Finding(subject, State.OK, days)
    west = min(zones, key=lambda zone: (offset(zone), -zones[zone]))
    sites = f"{zones[west]} of {zones.total()} sites"
    then = (
        ", then move the landed rows to the new days: sonnys replay --rezone"
        if landed
        else " before the first day is landed"
    )
    if offset(timezone) < offset(west):
        return Finding(
            subject,
            State.WARNING,
            f"{days}, which is west of every site: days are landed hours later than possible",
            f"set SONNYS_TIMEZONE={west} ({sites}, the westernmost){then}",
        )
    return Finding(
        subject,
        State.WARNING,
        f"{days}, which is east of {sites}: the last hours of their business days are landed a day later",
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
    """The TLS library's error inside the HTTP library's, if any."""
    while error is not None and not isinstance(error, ssl.SSLError):
        inner = error.__cause__ or error.__context__ or getattr(error, "reason", None)
        error = inner if isinstance(inner, BaseException) else None
    return error
