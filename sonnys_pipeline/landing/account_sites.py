"""The sites of an account, which load jobs have to name (LV-01).

They come from `/site/list`, at most one request per hour, and are kept in the ledger, so that plan, run and resume
use the same list. With `SONNYS_SITE_CODE` the account has that one site, without a request.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any

from sonnys_pipeline.client import Site, SonnysClient, ValidationError
from sonnys_pipeline.client.site_codes import fold, named_codes, unnamed_sites
from sonnys_pipeline.extract.events import LISTS_NEED_SITE, LOAD_JOB_NEEDS_SITE
from sonnys_pipeline.lake.errors import RowsWouldVanishError
from sonnys_pipeline.landing.sites.merge import refuse_shorter
from sonnys_pipeline.landing.transactions import Source
from sonnys_pipeline.ledger.service import JobService

logger = logging.getLogger(__name__)

#: Name of the list in the ledger.
SITES = "sites"
#: The API caches the list as long (contract, `GET /site/list`).
LIST_LIFETIME = timedelta(hours=1)


class LoadBy(StrEnum):
    """What a load job names (contract, L1)."""

    SITE = "site"  # one site: accepted with every key
    ALL = "all"  # no site: fuller pages, refused for keys of several sites


class NoNamedSiteError(ValueError):
    """The account has several sites, and none has a code that a load job could name."""


class LoadJobNeedsSiteError(NoNamedSiteError):
    """This key refuses load jobs that name no site, and the settings ask for such jobs."""


def knows(jobs: JobService, api_id_digest: str, name: str) -> bool:
    """Whether a fact is stored as true; false when it is stored as false or not at all."""
    known = jobs.knowledge.recall(api_id_digest, name)
    return known is not None and known.content is True


@dataclass(frozen=True)
class AccountSites:
    """The sites that a run reads.

    Attributes:
        codes: sites that load jobs name, in the list's order; empty where they name none.
        unnamed: names of the sites without a code.
        listed_at: when the API listed them; `None` when it was not asked.
    """

    codes: tuple[str, ...] = ()
    unnamed: tuple[str, ...] = ()
    listed_at: datetime | None = None

    def spelt(self, code: str) -> str:
        """A code in the list's spelling; unchanged if it is not listed."""
        return next((known for known in self.codes if fold(known) == fold(code)), code)


#: Load jobs name no site.
ALL_AT_ONCE = AccountSites()


def account_sites(
    jobs: JobService,
    client: SonnysClient,
    source: Source,
    load_by: LoadBy,
    *,
    now: datetime | None = None,
    as_kept: bool = False,
) -> AccountSites:
    """The sites to read; asks the API when the kept list is older than an hour.

    `as_kept` takes the kept list whatever its age, and asks only where there is none.

    Raises:
        LoadJobNeedsSiteError: when load jobs are to name no site, and this key is known to refuse that.
        NoNamedSiteError: when none of several sites has a code.
        SonnysError: when the API refuses, or cannot be reached.
    """
    if source.site_code:
        return AccountSites((source.site_code,))
    if load_by is LoadBy.ALL:
        if knows(jobs, source.api_id_digest, LOAD_JOB_NEEDS_SITE):
            raise LoadJobNeedsSiteError(
                "this key refuses load jobs that name no site; set SONNYS_LOAD_BY=site (if the key has changed, "
                "run `sonnys first-contact` to test it again)"
            )
        return ALL_AT_ONCE
    now = now or datetime.now(UTC)
    kept = jobs.knowledge.recall(source.api_id_digest, SITES)
    if kept is not None and (as_kept or timedelta(0) <= now - kept.learned_at < LIST_LIFETIME):
        return sites_of([Site.model_validate(site) for site in kept.content], kept.learned_at)
    listed = client.sites.list()
    taken = _taken(kept.content if kept else [], listed)
    if kept is not None and taken is not listed:
        return sites_of(taken, kept.learned_at)
    found = sites_of(listed, now)
    keep_sites(jobs, source.api_id_digest, listed)
    return found


def keep_sites(
    jobs: JobService, api_id_digest: str, sites: Sequence[Site], *, accepted: bool = False
) -> Sequence[Site]:
    """Store a new list and return it; the kept one stays and is returned if the new one is empty or much shorter.

    `accepted`: a person has said that the new list is complete.
    """
    kept = jobs.knowledge.recall(api_id_digest, SITES)
    if kept is not None and not accepted and (taken := _taken(kept.content, sites)) is not sites:
        return taken
    wire = [
        {"siteID": site.site_id, "code": site.code, "name": site.name, "timezone": site.timezone} for site in sites
    ]  # fmt: skip
    jobs.knowledge.remember(api_id_digest, SITES, wire)
    return sites


def _taken(kept: Sequence[Mapping[str, Any]], listed: Sequence[Site]) -> Sequence[Site]:
    """The new list; the kept one, with a warning, if the new one lacks much of it."""
    before = [Site.model_validate(site) for site in kept]
    there = {mark for site in listed for mark in _marks(site)}
    try:
        refuse_shorter([site.code or site.name for site in before if not _marks(site) & there], len(before))
    except RowsWouldVanishError as refused:
        logger.warning("%s", refused)
        return before
    return listed


def _marks(site: Site) -> set[tuple[str, Any]]:
    """What tells that an entry of another list is the same site: code, number or name."""
    marks = {("code", fold(site.code)), ("number", site.site_id), ("name", fold(site.name))}
    return {mark for mark in marks if mark[1]}


def sites_of(listed: Sequence[Site], listed_at: datetime | None = None) -> AccountSites:
    """What a list means for load jobs. Raises NoNamedSiteError when none of several sites has a code."""
    codes, unnamed = named_codes(listed), unnamed_sites(listed)
    if not codes and len(unnamed) > 1:
        raise NoNamedSiteError(
            f"none of the {len(unnamed)} sites that the API lists has a code, so no load job can name one; give "
            "them codes in BackOffice, set SONNYS_SITE_CODE, or try SONNYS_LOAD_BY=all"
        )
    return AccountSites(tuple(codes), tuple(unnamed), listed_at)


class SpanCounter:
    """Counts rows of spans over all sites in one request, or site by site where list requests must name one ([?])."""

    def __init__(self, jobs: JobService, client: SonnysClient, api_id_digest: str, codes: Sequence[str]) -> None:
        self._jobs = jobs
        self._client = client
        self._digest = api_id_digest
        self._codes = codes
        self._by_site = knows(jobs, api_id_digest, LISTS_NEED_SITE)

    def count(self, span: Mapping[str, int], site: str | None = None) -> int:
        """Rows of a span, of one site or of all; one request, or one per site. Raises SonnysError."""
        count = self._client.transactions.count
        if site is not None:
            return count(**span, site=site)
        if not self._by_site:
            try:
                return count(**span)
            except ValidationError as refused:
                if not refused.concerns_site or not self._codes:
                    raise
                self._by_site = True
                self._jobs.knowledge.remember(self._digest, LISTS_NEED_SITE, True)
        return sum(count(**span, site=code) for code in self._codes)
