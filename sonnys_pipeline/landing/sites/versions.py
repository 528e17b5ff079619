"""The rows of `sites`: every version of every site that was ever listed.

Readers who need the present list take the rows with `is_current`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date

import pyarrow as pa

from sonnys_pipeline.calendar.site_history import is_zone
from sonnys_pipeline.client import Site
from sonnys_pipeline.client.site_codes import fold
from sonnys_pipeline.lake.schema import EXTRA_COLUMN, arrow_schema, to_table

#: Why a version began: it is of the first list, or a person has said so (`said` adds the day).
FIRST, SAID = "in the first list", "said by a person"

#: The columns of `sites`: those of the API's list, then what a version adds.
SITES = pa.schema(
    [
        *arrow_schema(Site),
        pa.field("site", pa.string(), nullable=False),
        pa.field("spellings", pa.list_(pa.field("element", pa.string(), nullable=False)), nullable=False),
        pa.field("valid_from", pa.date32()),
        pa.field("valid_to", pa.date32()),
        pa.field("is_current", pa.bool_(), nullable=False),
        pa.field("because", pa.string(), nullable=False),
        pa.field("listed_timezone", pa.string()),
    ]
)


@dataclass(frozen=True)
class Version:
    """One row of `sites`.

    Attributes:
        listed: number, code, name, zone and unknown fields; the zone that business days are counted with.
        extra: JSON text of the unknown fields.
        site: what stays the same when code or name change.
        spellings: all ways in which lists have written the code.
        valid_from: first business day; `None`: always.
        valid_to: first business day that it no longer holds for; `None`: it is current.
        because: why it began.
        listed_timezone: the zone in the newest list, which a person may have corrected.
    """

    listed: Site
    extra: str | None
    site: str
    spellings: tuple[str, ...]
    valid_from: date | None
    valid_to: date | None
    because: str
    listed_timezone: str | None

    @property
    def names(self) -> frozenset[str]:
        """Folded codes; the name, if it has no code."""
        return frozenset(map(fold, self.spellings)) or frozenset({_by_name(self.listed)})

    @property
    def zone(self) -> str | None:
        """Its zone, if it is one."""
        zone = self.listed.timezone
        return zone if zone and is_zone(zone) else None

    @property
    def label(self) -> str:
        """Its code, or its name, for sentences."""
        return self.listed.code or self.listed.name or "(no code)"

    def changed(self, because: str | None = None, **fields: object) -> Version:
        """With other values in `listed`."""
        return replace(self, listed=self.listed.model_copy(update=fields), because=because or self.because)


def new_version(site: Site, valid_from: date | None, because: str, taken: Iterable[str] = ()) -> Version:
    """The first version of a site; `taken` are the keys of others."""
    base = key = fold(site.code) or _by_name(site)
    number = 2
    while key in set(taken):
        key, number = f"{base} {number}", number + 1
    spellings = (site.code,) if site.code else ()
    extra = to_table([site], arrow_schema(Site))[EXTRA_COLUMN][0].as_py()
    return Version(site, extra, key, spellings, valid_from, None, because, site.timezone)


def _by_name(site: Site) -> str:
    return f"name: {fold(site.name)}"


def versions_of(table: pa.Table) -> list[Version]:
    """The versions in a file; a file of before histories is one list that is valid always."""
    if "site" not in table.column_names:
        return in_one_list([_site(row) for row in table.to_pylist()])
    return [
        Version(
            _site(row), row[EXTRA_COLUMN], row["site"], tuple(row["spellings"]), row["valid_from"], row["valid_to"],
            row["because"], row["listed_timezone"],
        )
        for row in table.to_pylist()
    ]  # fmt: skip


def in_one_list(sites: Sequence[Site]) -> list[Version]:
    """Versions of a first list, valid always; a site in two spellings is one (contract, L7)."""
    found: dict[str, Version] = {}
    for site in sites:
        version = new_version(site, None, FIRST)
        known = found.get(version.site)
        found[version.site] = version if known is None else with_spellings(known, site)
    return list(found.values())


def with_spellings(version: Version, site: Site) -> Version:
    """Also spelt as in `site`, and with what is known of it there alone."""
    spellings = tuple(dict.fromkeys([*version.spellings, *([site.code] if site.code else [])]))
    missing = {
        name: value
        for name in ("site_id", "timezone")
        if getattr(version.listed, name) is None and (value := getattr(site, name)) is not None
    }
    listed_timezone = version.listed_timezone or site.timezone
    return replace(version.changed(**missing), spellings=spellings, listed_timezone=listed_timezone)


def table_of(versions: Iterable[Version]) -> pa.Table:
    """Rows of `SITES`: current sites in the list's order, each after its earlier versions."""
    rows = [
        {
            **one.listed.model_dump(include={"site_id", "code", "name", "timezone"}),
            EXTRA_COLUMN: one.extra,
            "site": one.site,
            "spellings": list(one.spellings),
            "valid_from": one.valid_from,
            "valid_to": one.valid_to,
            "is_current": one.valid_to is None,
            "because": one.because,
            "listed_timezone": one.listed_timezone,
        }
        for one in versions
    ]
    return pa.Table.from_pylist(rows, SITES)


def _site(row: dict[str, object]) -> Site:
    return Site.model_validate({name: row.get(name) for name in ("site_id", "code", "name", "timezone")})
