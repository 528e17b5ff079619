"""The operator's sites as a landed table: names, codes and time zones, which decide the day of a row."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from sonnys_pipeline.client import APIError, Site, SonnysClient
from sonnys_pipeline.lake.dataset import Lake, LandedFile
from sonnys_pipeline.lake.errors import LakeError
from sonnys_pipeline.lake.schema import arrow_schema, to_table
from sonnys_pipeline.landing.account_sites import SITES, keep_sites
from sonnys_pipeline.landing.transactions import Source
from sonnys_pipeline.ledger.service import JobService

logger = logging.getLogger(__name__)

ASSET = "sites"
#: Age at which landing a day also lands the list again.
FRESH_FOR = timedelta(days=1)


def land_sites(lake: Lake, sites: Sequence[Site], listed_at: datetime) -> LandedFile:
    """Land a list of sites."""
    table = to_table(sites, arrow_schema(Site))
    with lake.writing(ASSET):
        return lake.land(ASSET, table, metadata={"loaded_at": listed_at.isoformat()})


def ensure_sites(
    lake: Lake,
    jobs: JobService,
    client: SonnysClient,
    source: Source,
    now: datetime | None = None,
) -> None:
    """Land a missing list, or one older than a day: the ledger's list where that is newer, else by one request.

    A list of one site (`SONNYS_SITE_CODE`) does not replace another list. Errors are only logged, since the days are
    landed; the report names what it lacks.
    """
    now, is_narrowed = now or datetime.now(UTC), bool(source.site_code)
    try:
        has = lake.has(ASSET)
        if has and (is_narrowed or now - _listed_at(lake) < FRESH_FOR):
            return
        kept = jobs.knowledge.recall(source.api_id_digest, SITES)
        if kept is not None and now - kept.learned_at < FRESH_FOR:
            land_sites(lake, [Site.model_validate(site) for site in kept.content], kept.learned_at)
            return
        listed = client.sites.list()
        if not is_narrowed:
            keep_sites(jobs, source.api_id_digest, listed)
        land_sites(lake, listed, now)
    except (APIError, LakeError) as error:
        logger.warning("the list of sites could not be landed: %s. Land it with: dg launch --assets sites", error)


def _listed_at(lake: Lake) -> datetime:
    """When the landed list was made; the distant past if its file does not say."""
    metadata = lake.metadata(ASSET)
    return (
        datetime.fromisoformat(metadata["loaded_at"]) if "loaded_at" in metadata else datetime.min.replace(tzinfo=UTC)
    )
