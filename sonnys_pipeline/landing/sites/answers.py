"""What a person says of sites: that two codes are one site or two, and the time zone of a site."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

from sonnys_pipeline.calendar.site_history import is_zone
from sonnys_pipeline.client import Site
from sonnys_pipeline.client.site_codes import fold
from sonnys_pipeline.landing.sites.evidence import LandedEvidence
from sonnys_pipeline.landing.sites.history import LandedSites
from sonnys_pipeline.landing.sites.merge import SiteMerge
from sonnys_pipeline.landing.sites.versions import SAID, Version, new_version


class UnknownSiteError(ValueError):
    """A code or time zone that a person gave is not known."""


def same_site(landed: LandedSites, evidence: LandedEvidence, old: str, new: str, now: datetime) -> LandedSites:
    """`new` continues the site `old`. Raises UnknownSiteError."""
    first, second = _key(landed.versions, old), _key(landed.versions, new)
    if first == second:
        return replace(landed, questions=_without(landed.questions, old, new))
    merge = SiteMerge(landed.versions, now, evidence)
    merge.join(first, second, f"{SAID} on {now:%Y-%m-%d}")
    different = tuple(pair for pair in landed.different if set(pair) != {fold(old), fold(new)})
    return replace(landed, versions=merge.versions, different=different, questions=_without(landed.questions, old, new))


def different_sites(landed: LandedSites, old: str, new: str) -> LandedSites:
    """`old` and `new` are two sites: do not ask again. Raises UnknownSiteError."""
    _key(landed.versions, old), _key(landed.versions, new)
    different = tuple(dict.fromkeys([*landed.different, (fold(old), fold(new))]))
    return replace(landed, different=different, questions=_without(landed.questions, old, new))


def zone_of_site(
    landed: LandedSites, evidence: LandedEvidence, code: str, timezone: str, since: date | None
) -> LandedSites:
    """A site has had a zone since a business day (`None`: always); its figures from then on change with it.

    A code that no list has gets an entry, from its first row on. Raises UnknownSiteError for an unknown zone.
    """
    if not is_zone(timezone):
        raise UnknownSiteError(f"{timezone!r} is not a time zone: give an IANA name such as America/Chicago")
    now = datetime.now(UTC)
    because = f"zone {timezone} {SAID} on {now:%Y-%m-%d}"
    own = [one for one in landed.versions if fold(code) in one.names]
    if not own:
        row = evidence.first_row({fold(code)}, date.max)
        site = Site(code=code, name=code, timezone=timezone)
        begin = since or (row or now).astimezone(ZoneInfo(timezone)).date()
        version = new_version(site, begin, f"{SAID} on {now:%Y-%m-%d}", {one.site for one in landed.versions})
        return replace(landed, versions=(*landed.versions, replace(version, listed_timezone=None)))
    key = own[-1].site
    versions: list[Version] = []
    for one in landed.versions:
        if one.site != key or (since and one.valid_to and one.valid_to <= since):
            versions.append(one)
        elif since is None or (one.valid_from is not None and one.valid_from >= since):
            versions.append(one.changed(because, timezone=timezone))
        else:
            versions.append(replace(one, valid_to=since))
            versions.append(replace(one, valid_from=since).changed(because, timezone=timezone))
    return replace(landed, versions=tuple(versions))


def _key(versions: Sequence[Version], code: str) -> str:
    keys = [one.site for one in versions if fold(code) in one.names]
    if not keys:
        raise UnknownSiteError(f"no site has or had the code {code}: see them with `sonnys sites list`")
    return keys[-1]


def _without(questions: Sequence[tuple[str, str]], old: str, new: str) -> tuple[tuple[str, str], ...]:
    return tuple(pair for pair in questions if set(map(fold, pair)) != {fold(old), fold(new)})
