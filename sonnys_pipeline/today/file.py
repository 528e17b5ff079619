"""The file `transactions_today`: rows of each site's present business day, apart from landed days (KT-04)."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import pyarrow as pa
import pyarrow.compute as pc
from pydantic import ValidationError

from sonnys_pipeline.backfill.workspace import Workspace
from sonnys_pipeline.calendar.business_days import SiteDay
from sonnys_pipeline.client.site_codes import fold
from sonnys_pipeline.lake.dataset import Lake, LandedFile
from sonnys_pipeline.lake.errors import LakeError, NotLandedError, UnreachableLakeError
from sonnys_pipeline.lake.schema import SCHEMA_VERSION, TRANSACTIONS
from sonnys_pipeline.landing.forgotten import refuse_outdated
from sonnys_pipeline.landing.transactions import in_order
from sonnys_pipeline.today.plan import SiteSpan
from sonnys_pipeline.today.state import ALL_SITES, TodayState

logger = logging.getLogger(__name__)

ASSET = "transactions_today"
_STATE = "state"


@dataclass(frozen=True)
class TodayFile:
    """Content of the file: rows of schema `TRANSACTIONS`, and its state."""

    rows: pa.Table
    state: TodayState

    def instants(self) -> dict[str, list[datetime]]:
        """By site key, and for all sites together, the instants of its rows in order."""
        found: dict[str, list[datetime]] = {ALL_SITES: []}
        pairs = zip(self.rows["location_code"].to_pylist(), self.rows["complete_date"].to_pylist(), strict=True)
        for code, at in sorted(pairs, key=lambda pair: pair[1]):
            found.setdefault(fold(code), []).append(at)
            found[ALL_SITES].append(at)
        return found


#: Before the first look.
NOTHING = TodayFile(TRANSACTIONS.empty_table(), TodayState())


def read_today(lake: Lake) -> TodayFile:
    """The file as it is; `NOTHING` where there is none. Raises LakeError if it cannot be read."""
    try:
        metadata = lake.metadata(ASSET)
        rows = lake.read(ASSET).replace_schema_metadata(None)  # else the next file would keep this state beside its own
        return TodayFile(rows, TodayState.model_validate_json(metadata[_STATE]))
    except NotLandedError:
        return NOTHING
    except (KeyError, ValidationError) as error:
        raise LakeError(f"{lake.path(ASSET)} does not say how it was made; delete it, and look again") from error


def read_to_continue(workspace: Workspace) -> TodayFile:
    """As `read_today`, without rows that a look cannot add to: of another source, or another policy on personal data.

    A damaged file counts as none: the next look reads the day so far again.
    """
    lake = workspace.lake
    try:
        file = read_today(lake)
        landed = {} if file is NOTHING else lake.metadata(ASSET)
    except UnreachableLakeError:
        raise
    except LakeError as error:
        logger.warning("%s. The day so far is read again", error)
        return NOTHING
    is_ours = {name: landed.get(name) for name in _origin(workspace)} == _origin(workspace)
    if landed and not (is_ours and workspace.privacy.matches_metadata(landed)):
        logger.warning("%s was made with other settings; the day so far is read again", lake.path(ASSET))
        return NOTHING
    return file


def land_today(workspace: Workspace, file: TodayFile) -> LandedFile:
    """Replace the file atomically. Raises UnwritableLakeError; the old one stays then."""
    refuse_outdated(workspace.lake, workspace.privacy)
    metadata = {
        **_origin(workspace),
        **workspace.privacy.metadata,
        "schema_version": str(SCHEMA_VERSION),
        "provisional": "true",
        "rows": str(file.rows.num_rows),
        _STATE: file.state.model_dump_json(),
    }
    return workspace.lake.land(ASSET, in_order(file.rows), metadata=metadata)


def with_read(rows: pa.Table, span: SiteSpan, read: pa.Table) -> pa.Table:
    """Rows in which a span is as it was just read: rows that are gone go, and an id is there once."""
    instants = rows["complete_date"]
    replaced = pc.and_(pc.greater_equal(instants, _scalar(span.start)), pc.less(instants, _scalar(span.end)))
    if span.site is not None:
        replaced = pc.and_(replaced, pc.equal(pc.utf8_lower(rows["location_code"]), fold(span.site)))
    replaced = pc.or_(replaced, pc.is_in(rows["id"], read["id"].combine_chunks()))
    return pa.concat_tables([rows.filter(pc.invert(replaced)), read])


def device_of(row_id: str) -> str:
    """The sales device in an id, `<transaction>:<sales device>` (contract, L16)."""
    return row_id.rpartition(":")[2]


def devices_of(rows: pa.Table, known: Mapping[str, str]) -> dict[str, str]:
    """The site of each sales device, by what is known and by rows; empty for a device of two sites."""
    found = dict(known)
    for row_id, code in zip(rows["id"].to_pylist(), rows["location_code"].to_pylist(), strict=True):
        device, site = device_of(row_id), fold(code)
        if found.setdefault(device, site) != site:
            found[device] = ""
    return found


def of_the_day(rows: pa.Table, days: Mapping[str, SiteDay], usual: SiteDay) -> pa.Table:
    """The rows of each site's present business day; `days` by folded code, `usual` for a site without one."""
    codes = pc.utf8_lower(rows["location_code"]).combine_chunks().dictionary_encode()
    starts = [days.get(code, usual).start for code in codes.dictionary.to_pylist()]
    start_of = pa.array(starts, TRANSACTIONS.field("complete_date").type)
    return rows.filter(pc.greater_equal(rows["complete_date"], start_of.take(codes.indices)))


def _origin(workspace: Workspace) -> Mapping[str, str]:
    source, timezone = workspace.options.source, workspace.options.timezone
    return {"account": source.api_id_digest, "site_code": source.site_code, "timezone": timezone}


def _scalar(at: datetime) -> pa.Scalar:
    return pa.scalar(at, TRANSACTIONS.field("complete_date").type)


def new_rows(before: pa.Table, read: Sequence[pa.Table]) -> int:
    """How many rows of these reads were not held."""
    known = before["id"].combine_chunks()
    return sum(table.num_rows - int(pc.sum(pc.is_in(table["id"], known)).as_py() or 0) for table in read)
