"""DG-01, BM-02: what the doctor makes of one answer of the API: access, site, clock, TLS, time zone."""

from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any, cast

import pytest

from sonnys_pipeline.client import APIConnectionError, AuthError, NotFoundError, Site, SonnysClient
from sonnys_pipeline.doctor.api import (
    Inquiry,
    check_access,
    check_clock,
    check_site,
    check_timezone,
    check_tls,
    inquire,
)
from sonnys_pipeline.doctor.machine import Finding, State

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)


def site(code: str | None, timezone: str | None = None) -> Site:
    return Site.model_validate({"code": code, "name": "A site", "timezone": timezone})


def answering(date_header: str | None, result: Any) -> SonnysClient:
    """A client whose one request comes out like this."""

    def listed() -> Any:
        if isinstance(result, Exception):
            raise result
        return result

    return cast("SonnysClient", SimpleNamespace(sites=SimpleNamespace(list=listed), server_date=date_header))


@pytest.mark.parametrize(
    ("header", "difference"),
    [
        ("Sun, 22 Nov 2026 12:00:00 GMT", 0),
        ("Sun, 22 Nov 2026 11:59:00 GMT", 60),
        ("Sun, 22 Nov 2026 07:05:00 -0500", -300),
        ("Sun, 22 Nov 2026 12:00:00", 0),
        ("soon", None),
        ("", None),
        (None, None),
    ],
)
@pytest.mark.parametrize("result", [[], NotFoundError(404, None, ())])
def test_the_clocks_are_compared_whatever_was_answered(
    header: str | None, difference: float | None, result: object
) -> None:
    """Our clock minus the server's; no header, or none that is a date, is not known."""
    assert inquire(answering(header, result), lambda: NOON).clock_difference == difference


@pytest.mark.parametrize(
    ("seconds", "state"),
    [
        (0, "ok"),
        (59, "ok"),
        (60, "warning"),
        (-299, "warning"),
        (300, "problem"),
        (-4000, "problem"),
        (None, "skipped"),
    ],
)
def test_a_clock_is_judged_by_what_the_api_takes(seconds: float | None, state: str) -> None:
    """A warning from one minute on, a problem from five; ahead or behind is told."""
    found = check_clock(Inquiry(sites=(), clock_difference=seconds))
    assert found.state == state
    if state in {"warning", "problem"}:
        assert ("ahead" if (seconds or 0) > 0 else "behind") in found.detail


def test_a_site_is_looked_up_in_the_list() -> None:
    """The codes to choose from are named; without a list nobody knows."""
    sites = Inquiry(sites=(site("MAIN"), site("HARBOR"), site(None)))
    assert check_site("MAIN", sites).state is State.OK
    assert check_site("NOWHERE", sites).remedy == "set SONNYS_SITE_CODE to one of MAIN, HARBOR"
    assert check_site("MAIN", Inquiry(not_made="offline")) == Finding("site", State.SKIPPED, "offline")
    assert check_site("MAIN", Inquiry(error=APIConnectionError("no"))).state is State.SKIPPED
    assert check_site(None, Inquiry(not_made="offline")).state is State.OK


def test_every_word_of_a_403_has_a_remedy_of_its_own() -> None:
    """And one that nobody has heard of falls back on the error's own."""
    words = (
        "MissingClientCredentialsError",
        "BadClientCredentialsError",
        "MismatchCredentialsError",
        "NotAuthorizedError",
    )
    remedies = [check_access(Inquiry(error=AuthError(403, word, ("no",)))).remedy for word in words]
    assert len(set(remedies)) == len(words)
    assert check_access(Inquiry(error=AuthError(403, "New", ("no",)))).remedy == AuthError.remedy


def test_no_site_at_all_is_a_warning() -> None:
    """Credentials that see nothing would land empty days."""
    assert check_access(Inquiry(sites=())).state is State.WARNING


def test_tls_is_proven_by_any_answer() -> None:
    """A refusal came over TLS, too; without an answer nothing is known; this machine needs none."""
    refused = Inquiry(error=AuthError(403, "BadClientCredentialsError", ()))
    assert check_tls("https://api.test/v1", refused).state is State.OK
    assert check_tls("https://api.test/v1", Inquiry(error=APIConnectionError("down"))).state is State.SKIPPED
    assert check_tls("http://127.0.0.1/v1", Inquiry(not_made="offline")).state is State.OK


def test_the_westernmost_zone_is_proposed() -> None:
    """East of a site: its evening comes a day late. West of all: every day comes late. What to set, and what then."""
    sites = Inquiry(sites=(site("A", "America/Chicago"), site("B", "America/Denver"), site("C", "America/Chicago")))
    for zone in ("UTC", "America/Chicago"):
        found = check_timezone(zone, sites, [], NOON)
        assert (found.state, "east of 1 of 3 sites" in found.detail) == (State.WARNING, True)
        assert "SONNYS_TIMEZONE=America/Denver, the westernmost zone before the first day" in found.remedy
    assert "sonnys replay --rezone" in check_timezone("UTC", sites, ["2026-11-01"], NOON).remedy
    assert "west of every site" in check_timezone("Pacific/Honolulu", sites, [], NOON).detail
    for zone in ("America/Denver", "America/Edmonton"):  # the same hours by another name
        assert check_timezone(zone, sites, [], NOON).state is State.OK
    for known in (Inquiry(sites=(site("A"),)), Inquiry(sites=(site("A", "Nowhere"),)), Inquiry(not_made="offline")):
        assert check_timezone("UTC", known, [], NOON).state is State.OK
