"""The operator's sites as a landed table: names, codes and time zones by validity, which decide the day of a row."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import pyarrow as pa

from sonnys_pipeline.client import APIError, Site, SonnysClient
from sonnys_pipeline.lake.dataset import Lake, LandedFile
from sonnys_pipeline.lake.errors import LakeError, RowsWouldVanishError
from sonnys_pipeline.landing.account_sites import SITES as LIST
from sonnys_pipeline.landing.account_sites import keep_sites
from sonnys_pipeline.landing.sites.evidence import LandedEvidence
from sonnys_pipeline.landing.sites.merge import Merged, SiteMerge
from sonnys_pipeline.landing.sites.versions import Version, table_of, versions_of
from sonnys_pipeline.landing.transactions import Source
from sonnys_pipeline.ledger.service import JobService

logger = logging.getLogger(__name__)

ASSET = "sites"
#: Age at which landing a day also lands the list again.
FRESH_FOR = timedelta(days=1)
#: Metadata of the file: when the list was read, pairs of codes said to be two sites, pairs to be asked about, and why
#: the newest list was refused.
_LOADED_AT, _DIFFERENT, _QUESTIONS, _REFUSED = "loaded_at", "different", "questions", "refused"


@dataclass(frozen=True)
class LandedSites:
    """The landed history.

    Attributes:
        different: pairs of folded codes that a person has said to be two sites.
        questions: pairs of an old and a new code that may be one site.
        refused: why the newest list was not taken; empty if it was.
        listed_at: when the newest list was read; `None` if the file does not say.
    """

    versions: tuple[Version, ...] = ()
    different: tuple[tuple[str, str], ...] = ()
    questions: tuple[tuple[str, str], ...] = ()
    refused: str = ""
    listed_at: datetime | None = None

    @property
    def problems(self) -> list[str]:
        """What a person has to look at, each with its remedy."""
        asked = [
            f"{old} is no longer listed and {new} is new: is it one site? sonnys sites same {old} {new}, or "
            f"sonnys sites different {old} {new}"
            for old, new in self.questions
        ]
        return [*asked, *([self.refused] if self.refused else [])]


@dataclass(frozen=True)
class _Landed:
    """Content and size in bytes of the landed file."""

    table: pa.Table
    metadata: Mapping[str, str]
    size: int


def landed_sites_of(lake: Lake) -> LandedSites:
    """The landed history; empty if none is landed. Raises LakeError if it cannot be read."""
    return _read(lake)[0]


def _read(lake: Lake) -> tuple[LandedSites, _Landed | None]:
    """The landed history, and the file that it comes from."""
    lake = lake.snapshot()
    if not lake.has(ASSET):
        return LandedSites(), None
    metadata = lake.metadata(ASSET)
    landed = _Landed(lake.read(ASSET), metadata, lake.size(ASSET))
    known = LandedSites(
        tuple(versions_of(landed.table)),
        _pairs(metadata.get(_DIFFERENT)),
        _pairs(metadata.get(_QUESTIONS)),
        metadata.get(_REFUSED, ""),
        _listed_at(metadata),
    )
    return known, landed


def _listed_at(metadata: Mapping[str, str]) -> datetime | None:
    return datetime.fromisoformat(metadata[_LOADED_AT]) if _LOADED_AT in metadata else None


def land_sites(
    lake: Lake, sites: Sequence[Site], listed_at: datetime, *, narrowed: bool = False, accepted: bool = False
) -> LandedFile:
    """Join a list with the landed history (`SiteMerge`), and log what changed.

    Raises:
        RowsWouldVanishError: the list is empty or much shorter; the history stays, and its file says so.
        LakeError: the history or landed rows cannot be read, or the history cannot be written.
    """
    with lake.writing(ASSET):
        known, landed = _read(lake)
        merge = SiteMerge(known.versions, listed_at, LandedEvidence(lake), known.different)
        try:
            merged = merge.merge(sites, narrowed=narrowed, accepted=accepted)
        except RowsWouldVanishError as refused:
            _write(lake, replace(known, refused=str(refused)), landed)
            raise
        if narrowed and known.versions:  # it says nothing of the other sites
            listed_at = known.listed_at or listed_at
        file = _write(lake, LandedSites(merged.versions, known.different, merged.questions, "", listed_at), landed)
    _log(merged)
    return file


def review_sites(lake: Lake) -> None:
    """Look again at new sites after rows have landed (`SiteMerge.review`). Raises LakeError."""
    with lake.writing(ASSET):
        known, landed = _read(lake)
        if all(version.valid_from is None for version in known.versions):
            return
        at = known.listed_at or datetime.now(UTC)
        merged = SiteMerge(known.versions, at, LandedEvidence(lake), known.different).review()
        _write(lake, replace(known, versions=merged.versions, questions=merged.questions), landed)
    _log(merged)


def _log(merged: Merged) -> None:
    for change in [*merged.changes, *LandedSites(questions=merged.questions).problems]:
        logger.warning("sites: %s", change)


def change_sites(lake: Lake, change: Callable[[LandedSites, LandedEvidence], LandedSites]) -> LandedSites:
    """Change the landed history by what a person says. Raises LakeError."""
    with lake.writing(ASSET):
        known, landed = _read(lake)
        changed = change(known, LandedEvidence(lake))
        _write(lake, changed, landed)
    return changed


def ensure_sites(
    lake: Lake,
    jobs: JobService,
    client: SonnysClient,
    source: Source,
    now: datetime | None = None,
) -> None:
    """Land a missing list, or one older than a day: the ledger's list where that is newer, else by one request.

    A list that is fresh is looked at again, too: rows that have landed since may say more of new sites.
    A list of one site (`SONNYS_SITE_CODE`) is read only if no list is landed. Errors are only logged, since the days
    are landed; the report names what it lacks.
    """
    now, is_narrowed = now or datetime.now(UTC), bool(source.site_code)
    try:
        seen = lake.snapshot()
        is_landed = seen.has(ASSET) and seen.rows(ASSET) > 0
        if is_landed and is_narrowed:
            return
        kept = jobs.knowledge.recall(source.api_id_digest, LIST)
        listed_at = (_listed_at(seen.metadata(ASSET)) if is_landed else None) or datetime.min.replace(tzinfo=UTC)
        if kept is not None and now - kept.learned_at < FRESH_FOR and kept.learned_at >= listed_at:
            land_sites(lake, [Site.model_validate(site) for site in kept.content], kept.learned_at)
            return
        if is_landed and now - listed_at < FRESH_FOR:
            review_sites(lake)
            return
        listed = client.sites.list()
        land_sites(lake, listed, now, narrowed=is_narrowed)
        if not is_narrowed:
            keep_sites(jobs, source.api_id_digest, listed)
    except (APIError, LakeError) as error:
        logger.warning("the list of sites could not be landed: %s. Land it with: dg launch --assets sites", error)


def _write(lake: Lake, sites: LandedSites, landed: _Landed | None) -> LandedFile:
    """Write the history if it differs from the landed one."""
    table = table_of(sites.versions)
    metadata = {
        _DIFFERENT: json.dumps(sites.different),
        _QUESTIONS: json.dumps(sites.questions),
        _REFUSED: sites.refused,
        **({_LOADED_AT: sites.listed_at.isoformat()} if sites.listed_at else {}),
    }
    if landed is not None and landed.metadata == metadata and landed.table.equals(table):
        return LandedFile(lake.path(ASSET), table.num_rows, landed.size)
    return lake.land(ASSET, table, metadata=metadata)


def _pairs(text: str | None) -> tuple[tuple[str, str], ...]:
    return tuple((old, new) for old, new in json.loads(text or "[]"))
