"""The operator's sites as a landed table: names, codes and time zones, which decide whose day a row belongs to."""

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
#: A list that is older is landed anew by whoever lands a day.
FRESH_FOR = timedelta(days=1)


def land_sites(lake: Lake, sites: Sequence[Site], listed_at: datetime) -> LandedFile:
    """Land a list of sites.

    Raises:
        UnwritableLakeError: when the disk does not take it.
    """
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
    """Land the list where it is missing, or older than a day; the ledger's list where that is newer, else a request.

    A list of one site (`SONNYS_SITE_CODE`) takes no other list's place. What goes wrong is logged: landed days are
    landed, and the report says what it lacks.

    Args:
        lake: where.
        jobs: the ledger, which keeps the last list.
        client: asks for it, one request.
        source: whose sites; one that names a site narrows everything to it.
        now: aware instant; left out, the present one.
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
        logger.warning(
            "the list of sites is not landed, or not anew: %s. Land it with: dg launch --assets sites", error
        )


def _listed_at(lake: Lake) -> datetime:
    """When the landed list came; long ago where its file does not say."""
    metadata = lake.metadata(ASSET)
    return (
        datetime.fromisoformat(metadata["loaded_at"]) if "loaded_at" in metadata else datetime.min.replace(tzinfo=UTC)
    )
