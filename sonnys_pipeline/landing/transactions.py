"""From a loaded day to a landed one."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from sonnys_pipeline.client.site_codes import fold, is_in
from sonnys_pipeline.extract.pages.assemble import LoadedDay
from sonnys_pipeline.extract.pages.pii import Policy, Privacy
from sonnys_pipeline.lake.columns import as_one
from sonnys_pipeline.lake.dataset import Lake, LandedFile
from sonnys_pipeline.lake.errors import LakeError, OtherSourceError, RowsWouldVanishError, UnreachableLakeError
from sonnys_pipeline.lake.schema import SCHEMA_VERSION
from sonnys_pipeline.lake.transactions import ASSET, WHOLE_READ_AT, is_landed, sites_in
from sonnys_pipeline.landing.archive import forget_pages, keep_pages
from sonnys_pipeline.landing.changes import Reread, changed_rows, record, unproven
from sonnys_pipeline.landing.forgotten import refuse_outdated
from sonnys_pipeline.landing.unread_sites import unread_rows
from sonnys_pipeline.runtime.text import first_few

#: Metadata that identify the source of a file's rows.
_SOURCE_METADATA = ("account", "timezone")
#: Ids named in one message.
_NAMED = 5
_ORDER = [("location_code", "ascending"), ("complete_date", "ascending"), ("id", "ascending")]


@dataclass(frozen=True)
class Source:
    """Whose rows a run requests; `site_code` (the site header) is empty for all sites."""

    api_id_digest: str
    site_code: str = ""


@dataclass(frozen=True)
class DayFile:
    """Content of a day's file: rows of schema `TRANSACTIONS`, and the file's metadata."""

    table: pa.Table
    metadata: Mapping[str, str]

    @property
    def sites(self) -> frozenset[str] | None:
        """Codes of the sites in it; `None` for all of them."""
        return sites_in(self.metadata)


class CountDiffersError(LakeError):
    """The API counts more or fewer rows of a day than came; the day is not landed as whole (LV-03)."""


def land_day(
    lake: Lake,
    loaded: LoadedDay,
    *,
    source: Source,
    privacy: Privacy | None = None,
    account_sites: Collection[str] = (),
) -> LandedFile:
    """Land a complete day, sorted by site and time; a day without rows is a file with the columns and no rows.

    Rows of one site, or of SONNYS_SITE_CODE, replace that site's rows; those of others stay, and those of sites that a
    read of the whole day has not asked for. A file that holds some sites only says so (`landed_sites`) until each of
    `account_sites`, the codes of all sites of the account, has been read. Pages, if any, go into the archive. `privacy`
    is the policy under which the day was loaded; default: data as received.

    A day that was landed before: what changed is recorded in `transaction_changes`, as one with the day. Rows that are
    gone need the API's count, or its answer for each of them, as proof.

    If the count differs, the sites that were read are landed as some of the day's sites, unless a whole day is landed.

    Raises:
        CountDiffersError: when rows are missing by the API's own count.
        OtherSourceError: when the landed day is of another account or time zone, or when one site's rows would
            join rows of another policy on personal data.
        RowsWouldVanishError: when landed rows would be replaced by none, or are gone without proof.
        LakeError: when one site's rows would join a file that cannot be read or does not say how it was made, or when
            rows of other sites came.
        UnwritableLakeError: when the disk refuses it.
    """
    day, loaded = loaded.day.key, of_source(loaded, source)
    account_sites = () if source.site_code else account_sites
    with lake.together() as group:  # what is read here must be unchanged when it is replaced
        refuse_outdated(group, privacy or Privacy())
        file = day_file(loaded, source, privacy or Privacy())
        _refuse_other_source(group, day, file.metadata)
        if loaded.differs_from_count and (not loaded.sites or is_landed(group, day, None)):
            raise _count_differs(loaded, "nothing was landed; a day that is landed stays")
        landed = _landed(group, day)
        beside = None
        # No read without a site can repair a damaged day under SONNYS_SITE_CODE, so this one does.
        if loaded.site is not None and group.has(ASSET, day) and (landed or not source.site_code):
            beside = landed or _read(group, day)
            _refuse_other_policy(day, beside.metadata, file.metadata)
            file = beside_other_sites(beside, file, loaded, account_sites)
        may_empty = False
        if landed is not None:
            file = keep_unread_sites(landed, file, loaded)
            may_empty = accounted_for(loaded, landed.table)
            if not may_empty:
                group.refuse_vanishing(ASSET, file.table, day)
            _record_changes(group, landed, file, loaded)
        if loaded.has_raw_pages:
            keep_pages(group, loaded, file.metadata, beside.metadata if beside else None)
        done = write(group, day, file, may_empty=may_empty)
        if not loaded.has_raw_pages:
            forget_pages(group, day)
    if loaded.differs_from_count:
        raise _count_differs(loaded, f"the {len(loaded.sites)} sites that were read are landed, not the whole day")
    return done


def _landed(lake: Lake, day: str) -> DayFile | None:
    """The landed day; None if it is not landed, or damaged: landing it again repairs it."""
    try:
        return _read(lake, day) if lake.has(ASSET, day) else None
    except UnreachableLakeError:
        raise
    except LakeError:
        return None


def _read(lake: Lake, day: str) -> DayFile:
    return DayFile(lake.read(ASSET, [day]).drop_columns("date"), lake.metadata(ASSET, day))


def _record_changes(lake: Lake, landed: DayFile, file: DayFile, loaded: LoadedDay) -> None:
    """Record what the read found changed. Raises RowsWouldVanishError for rows that are gone without proof."""
    read = Reread(loaded, landed.metadata, file.metadata)
    if gone := unproven(landed.table, file.table, read):
        raise RowsWouldVanishError(
            f"{ASSET} {loaded.day.key}: landed rows are not in the new read ({first_few(gone, _NAMED)}), and the API's "
            "own count was not compared; the day stays. Read it again with SONNYS_PROOF=count"
        )
    record(lake, changed_rows(landed.table, file.table, read), read)


def keep_unread_sites(landed: DayFile, file: DayFile, loaded: LoadedDay) -> DayFile:
    """The file with the landed rows of sites that were not asked for (`unread_sites.py`)."""
    unread = unread_rows(landed.table, landed.metadata, loaded)
    if unread is None:
        return file
    rows, metadata = unread
    windows = [*json.loads(metadata["windows"]), *json.loads(file.metadata["windows"])]
    superseded = int(metadata["superseded"]) + int(file.metadata["superseded"])
    joined = {"windows": json.dumps(windows), "superseded": str(superseded)}
    return DayFile(pa.concat_tables([rows.cast(file.table.schema), file.table]), {**file.metadata, **joined})


def of_source(loaded: LoadedDay, source: Source) -> LoadedDay:
    """A day that was read under SONNYS_SITE_CODE is one of that site, as if the site had been asked for."""
    return replace(loaded, site=loaded.site or source.site_code or None)


def _count_differs(loaded: LoadedDay, consequence: str) -> CountDiffersError:
    proof = loaded.proof
    assert proof is not None  # noqa: S101 - asked before
    many = abs(proof.missing)
    what = (
        f"{many:,} {'row is' if many == 1 else 'rows are'} missing" if proof.missing > 0 else f"{many:,} too many came"
    )
    return CountDiffersError(
        f"{ASSET} {loaded.day.key}: the API counts {proof.counted:,} rows and {proof.rows:,} came: {what}; "
        f"{consequence}. {proof.note[:1].upper()}{proof.note[1:]}. Compare with BackOffice and run the day again, or "
        "land it without this proof with SONNYS_PROOF=off"
    )


def write(lake: Lake, day: str, file: DayFile, *, may_empty: bool = False) -> LandedFile:
    """Write a day's file, its rows in order. Raises RowsWouldVanishError when they would be replaced by none."""
    metadata = {**file.metadata, "rows": str(file.table.num_rows)}
    return lake.land(ASSET, in_order(file.table), partition=day, metadata=metadata, may_empty=may_empty)


def accounted_for(loaded: LoadedDay, rows: pa.Table) -> bool:
    """Whether the API said of each of these rows that it has moved or is deleted."""
    return set(rows["id"].to_pylist()) <= {*loaded.moved, *loaded.deleted}


def in_order(table: pa.Table) -> pa.Table:
    """Rows sorted as in a file: by site, time and id."""
    return table.sort_by(_ORDER)


def refuse_other_source(lake: Lake, key: str, source: Source, timezone: str) -> None:
    """Refuse early a day that landing would refuse with OtherSourceError."""
    asked = {"account": source.api_id_digest, "timezone": timezone}
    _refuse_other_source(lake, key, asked)


def refuse_other_zone(lake: Lake, days: Sequence[str], timezone: str) -> None:
    """Refuse to land days beside days that begin at the midnights of another zone: hours would be lost or doubled.

    Asked are these days if they are landed, their neighbours, and the first and the last landed day.

    Raises:
        OtherSourceError: naming both zones and the remedies.
    """
    lake = lake.snapshot()
    landed = lake.partitions(ASSET)
    if not landed or not days:
        return
    before = [key for key in landed if key < min(days)][-1:]
    after = [key for key in landed if key > max(days)][:1]
    asked = [*dict.fromkeys([landed[0], *before, *(key for key in landed if key in set(days)), *after, landed[-1]])]
    zones = zip(asked, lake.storage.each(lambda key: _zone(lake, key), asked), strict=True)
    other = next(((key, zone) for key, zone in zones if zone not in {None, timezone}), None)
    if other:
        raise OtherSourceError(
            f"{ASSET} {other[0]}: this landed day begins at midnight in {other[1]}, and SONNYS_TIMEZONE is {timezone}: "
            "beside each other, days of two zones lose or double hours, so nothing is read. Cut all landed days at "
            f"this zone's midnights with `sonnys replay --rezone`, or set SONNYS_TIMEZONE={other[1]} again"
        )


def _zone(lake: Lake, day: str) -> str | None:
    """Zone of a landed day; None if it does not say, or is damaged."""
    try:
        return lake.metadata(ASSET, day).get("timezone")
    except UnreachableLakeError:
        raise
    except LakeError:
        return None


def _refuse_other_source(lake: Lake, key: str, metadata: Mapping[str, str]) -> None:
    """A configuration must not replace another's files, except files that do not name their source."""
    path = lake.path(ASSET, key)
    try:
        landed = lake.metadata(ASSET, key) if lake.has(ASSET, key) else {}
    except UnreachableLakeError:
        raise
    except LakeError:  # damaged: landing it again repairs it
        return
    differing = [
        f"{name} {landed[name] or '(all)'!r} landed, {metadata[name] or '(all)'!r} asked for"
        for name in _SOURCE_METADATA
        if name in landed and landed[name] != metadata[name]
    ]
    if differing:
        is_zone = [name for name in _SOURCE_METADATA if landed.get(name, metadata[name]) != metadata[name]] == [
            "timezone"
        ]
        remedy = (
            "cut all landed days at this zone's midnights with `sonnys replay --rezone`, or restore SONNYS_TIMEZONE"
            if is_zone
            else f"use another SONNYS_DATA_URL for this configuration, or delete {path} and run it again"
        )
        raise OtherSourceError(
            f"{ASSET} {key}: the landed day comes from another source: {'; '.join(differing)}; it stays: {remedy}"
        )


def _refuse_other_policy(day: str, landed: Mapping[str, str], metadata: Mapping[str, str]) -> None:
    """A file has one policy on personal data and one key; mixed columns would join with nothing."""
    before = (landed.get("pii", Policy.KEEP), landed.get("pii_key", ""))
    if before != (metadata["pii"], metadata["pii_key"]):
        raise OtherSourceError(
            f"{ASSET} {day}: its personal data is landed under SONNYS_PII={before[0]}"
            f"{' and another key' if before[0] == metadata['pii'] else ''}; one site's rows cannot be added. Read the "
            "day without a site, or bring it under the present policy with: sonnys replay"
        )


def day_file(loaded: LoadedDay, source: Source, privacy: Privacy) -> DayFile:
    """The file of a day of which nothing is landed. Raises LakeError for rows of sites that were not requested."""
    site = loaded.site
    if site is None:
        sites = json.dumps(sorted(loaded.sites)) if loaded.differs_from_count else "null"
        return DayFile(loaded.table, _metadata(loaded, source, privacy, sites))
    foreign = pc.unique(loaded.table.filter(pc.invert(_of_site(loaded.table, site)))["location_code"]).to_pylist()
    if foreign:
        raise LakeError(
            f"{ASSET} {loaded.day.key}: asked for site {site}, the API sent rows of {', '.join(map(str, foreign))}; "
            "nothing was landed. Load the day without a site."
        )
    # In the spelling of its rows, or of its load jobs (L7); the person may have typed it differently.
    written = next(iter(loaded.table["location_code"][:1].to_pylist()), next(iter(loaded.sites), site))
    return DayFile(loaded.table, _metadata(loaded, source, privacy, json.dumps([written])))


def _of_site(rows: pa.Table, code: str) -> pa.Array:
    return pc.equal(pc.utf8_lower(rows["location_code"]), fold(code))


def beside_other_sites(
    landed: DayFile, read: DayFile, loaded: LoadedDay, account_sites: Collection[str] = ()
) -> DayFile:  # fmt: skip
    """One site's rows (`read`) joined with a file's rows of the other sites.

    With each of `account_sites`, the codes of all sites of the account, the file is whole.

    Raises:
        RowsWouldVanishError: when the file has rows of the site, and the read has none.
        LakeError: when the file does not say how it was made.
    """
    site, day, metadata = loaded.site, loaded.day.key, landed.metadata
    assert site is not None  # noqa: S101 - the callers read one site
    others = landed.table.filter(pc.invert(_of_site(landed.table, site)))
    replaced = landed.table.num_rows - others.num_rows
    mine = landed.table.filter(_of_site(landed.table, site))
    if replaced and not loaded.table.num_rows and not accounted_for(loaded, mine):
        raise RowsWouldVanishError(
            f"{ASSET} {day}: {replaced} rows of site {site} are landed and the new read has none; they stay. If the "
            "site really has none, load the day without a site."
        )
    if "windows" not in metadata:
        raise LakeError(
            f"{ASSET} {day}: the landed file does not say how it was made, so one site's rows cannot be added; it "
            "stays. Load the day without a site."
        )
    before = json.loads(metadata["windows"])
    rest = [window for window in before if window.get("site") is None or fold(window["site"]) != fold(site)]
    # Rows of this site from an earlier read of it alone go with that read's windows; any others were promised by reads
    # of all sites, which stay.
    superseded = int(metadata.get("superseded", "0")) + (replaced if len(rest) == len(before) else 0)
    sites = None
    if landed.sites is not None:
        sites = sorted({*(known for known in landed.sites if fold(known) != fold(site)), *(read.sites or ())})
        if account_sites and all(is_in(code, sites) for code in account_sites):
            sites = None
    joined = {
        "sites": json.dumps(sites),
        "site_code": metadata.get("site_code", "") if sites else "",
        "windows": json.dumps([*rest, *_windows(loaded)]),
        "superseded": str(superseded),
        WHOLE_READ_AT: metadata.get(WHOLE_READ_AT, metadata.get("loaded_at", read.metadata["loaded_at"])),
    }
    # By name: the landed rows may be of a version with fewer columns.
    table = as_one([loaded.table, others], [Path(f"the new read of {day}"), Path(f"the landed {day}")])
    return DayFile(table, {**read.metadata, **joined})


def _windows(loaded: LoadedDay) -> list[dict[str, Any]]:
    """Requested windows and their promised rows; `site` is null where no site was named."""
    return [
        {
            "start": f"{window.window.start:%Y-%m-%dT%H:%M:%SZ}",
            "end": f"{window.window.end:%Y-%m-%dT%H:%M:%SZ}",
            "site": window.site or loaded.site,
            "total": window.total,
            "cut_off": window.cut_off,
            "hashes": list(window.job_hashes),
            # Rare, so written only where there are any.
            **({"repeats": window.repeats} if window.repeats else {}),
            **({"replaced_text": window.replaced_text} if window.replaced_text else {}),
        }
        for window in loaded.windows
    ]


def _metadata(loaded: LoadedDay, source: Source, privacy: Privacy, sites: str) -> dict[str, str]:
    return {
        "schema_version": str(SCHEMA_VERSION),
        "partition": loaded.day.key,
        "account": source.api_id_digest,
        "site_code": source.site_code,
        "timezone": loaded.day.timezone,
        "windows": json.dumps(_windows(loaded)),
        "sites": sites,
        "superseded": str(loaded.site_repeats),
        "proof": json.dumps(loaded.proof and asdict(loaded.proof)),
        "loaded_at": loaded.loaded_at.isoformat(),
        **privacy.metadata,
    }
