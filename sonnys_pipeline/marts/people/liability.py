"""Unused value of gift cards and washes left on washbooks, by site and day (KPIS "Gift cards and prepaid washes")."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date

import pyarrow as pa

from sonnys_pipeline.calendar.site_history import SiteHistory
from sonnys_pipeline.lake.engines.sessions import DUCKDB, Engine
from sonnys_pipeline.marts.people.columns import GIFTCARD_LIABILITY
from sonnys_pipeline.marts.people.shifts import places_of
from sonnys_pipeline.marts.unknown import SEPARATOR

GIFTCARDS, WASHBOOKS = "giftcards", "washbooks"
_VALIDITY = [("valid_from", pa.date32()), ("valid_to", pa.date32())]
#: Columns of the histories that are read.
CARD_INPUT = pa.schema(
    [
        ("site_code", pa.string()),
        ("complete_date", pa.timestamp("us", tz="UTC")),
        ("value", pa.float64()),
        ("amount_used", pa.float64()),
        *_VALIDITY,
    ]
)
WASHBOOK_INPUT = pa.schema([("billing_site_id", pa.string()), ("balance", pa.float64()), *_VALIDITY])


@dataclass(frozen=True)
class Readings:
    """A list as a history, and the days of its first and last reading; None if it was never read."""

    rows: pa.Table
    first: date | None = None
    last: date | None = None

    def knows(self, day: date) -> bool:
        """Whether the history says what was true on a day."""
        return self.first is not None and self.last is not None and self.first <= day <= self.last


# A card or washbook is valid on a day from its version's `valid_from` to before its `valid_to`.
_LIABILITY = f"""
    WITH cards_on AS (
        SELECT
            days.business_date,
            coalesce(places.site, trim(coalesce(site_code, ''))) AS site,
            complete_date,
            dollars_of(value) AS value,
            dollars_of(amount_used) AS used
        FROM days
        JOIN cards ON days.has_cards AND valid_from <= days.business_date
            AND coalesce(valid_to > days.business_date, true)
        LEFT JOIN places ON places.business_date = days.business_date AND places.name = lower(trim(site_code))
    ),
    counted_cards AS (
        SELECT
            business_date,
            site,
            count(*) AS cards,
            count(*) - count(complete_date) AS undated_cards,
            sum(value) AS sold_value,
            sum(used) AS used_value,
            sum(value - used) AS liability,
            count(*) - count(value - used) AS without_value
        FROM cards_on
        GROUP BY business_date, site
    ),
    books_on AS (
        SELECT
            days.business_date,
            coalesce(places.site, trim(codes.code), '') AS site,
            TRY_CAST(balance AS DECIMAL(18, 4)) AS balance
        FROM days
        JOIN books ON days.has_books AND valid_from <= days.business_date
            AND coalesce(valid_to > days.business_date, true)
        LEFT JOIN codes ON codes.site_id = trim(billing_site_id)
        LEFT JOIN places ON places.business_date = days.business_date AND places.name = lower(trim(codes.code))
    ),
    counted_books AS (
        SELECT
            business_date,
            site,
            count(*) AS washbooks,
            CAST(sum(balance) AS DOUBLE) AS washes_outstanding,
            count(*) - count(balance) AS without_balance
        FROM books_on
        GROUP BY business_date, site
    ),
    shown AS (
        SELECT business_date, site FROM places SEMI JOIN days USING (business_date) WHERE is_physical
        UNION
        SELECT business_date, site FROM counted_cards
        UNION
        SELECT business_date, site FROM counted_books
    )
    SELECT
        site,
        business_date,
        CASE WHEN has_cards THEN coalesce(cards, 0) END AS cards,
        CASE WHEN has_cards THEN coalesce(undated_cards, 0) END AS undated_cards,
        CASE WHEN cards > 0 THEN sold_value WHEN has_cards THEN 0 END AS sold_value,
        CASE WHEN cards > 0 THEN used_value WHEN has_cards THEN 0 END AS used_value,
        CASE WHEN cards > 0 THEN liability WHEN has_cards THEN 0 END AS liability,
        CASE WHEN has_books THEN coalesce(washbooks, 0) END AS washbooks,
        CASE WHEN washbooks > 0 THEN washes_outstanding WHEN has_books THEN 0 END AS washes_outstanding,
        nullif(concat_ws('{SEPARATOR}',
            CASE WHEN NOT has_cards THEN '{GIFTCARDS}: not read by this day' END,
            CASE WHEN without_value > 0 THEN 'value, amount_used: ' || without_value || ' of ' || cards
                || ' cards lack one of them, left out of liability' END,
            CASE WHEN NOT has_books THEN '{WASHBOOKS}: not read by this day' END,
            CASE WHEN without_balance > 0 THEN 'balance: ' || without_balance || ' of ' || washbooks
                || ' washbooks lack it, left out of washes_outstanding' END
        ), '') AS unknown
    FROM shown
    JOIN days USING (business_date)
    LEFT JOIN counted_cards USING (business_date, site)
    LEFT JOIN counted_books USING (business_date, site)
    ORDER BY business_date, site
"""  # noqa: S608 - made of names in this house


def giftcard_liability(
    giftcards: Readings,
    washbooks: Readings,
    sites: pa.Table,
    days: Collection[date],
    timezone: str = "UTC",
    engine: Engine = DUCKDB,
) -> pa.Table:
    """Gift-card liability and prepaid washes outstanding of each site and day (RS-03).

    The lists say what is true when they are read. A day without a reading has what the last reading before it saw; days
    before the first or after the last one are not known: the figures are null, and `unknown` says why.

    Args:
        giftcards: history with the columns of `CARD_INPUT`.
        washbooks: history with the columns of `WASHBOOK_INPUT`.
        sites: rows of `sites`: `site_id`, and the columns that `calendar.site_history` reads.
        days: business days.
        timezone: IANA name of the pipeline's zone.
        engine: what runs the SQL.

    Returns:
        `GIFTCARD_LIABILITY` by date and site. A physical site has a row for each day; others have one if there are
        cards or washbooks.
    """
    wanted = sorted(set(days))
    known = pa.table(
        {
            "business_date": pa.array(wanted, pa.date32()),
            "has_cards": pa.array([giftcards.knows(day) for day in wanted], pa.bool_()),
            "has_books": pa.array([washbooks.knows(day) for day in wanted], pa.bool_()),
        }
    )
    tables = {
        "days": known,
        "cards": giftcards.rows,
        "books": washbooks.rows,
        "codes": _codes(sites),
        "places": places_of(SiteHistory(sites, timezone), wanted),
    }
    with engine.open_tables(tables) as session:
        return session.fetch(_LIABILITY).select(GIFTCARD_LIABILITY.names).cast(GIFTCARD_LIABILITY)


def _codes(sites: pa.Table) -> pa.Table:
    """Codes of sites by the API's number, which washbooks name; the newest version counts."""
    numbered = sites.to_pylist() if "site_id" in sites.column_names else []
    found = {
        str(int(row["site_id"])): row["code"] or ""
        for row in sorted(numbered, key=lambda row: row.get("valid_from") or date.min)
        if row["site_id"] is not None
    }
    return pa.table({"site_id": pa.array(found, pa.string()), "code": pa.array(found.values(), pa.string())})
