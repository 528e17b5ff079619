"""What becomes of the members who signed up in a month: how many are still active, and what they were charged."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta

import pyarrow as pa

from sonnys_pipeline.lake.engines.sessions import DUCKDB, Engine
from sonnys_pipeline.marts.members.columns import MEMBERSHIP_COHORTS
from sonnys_pipeline.marts.members.inputs import Members, table_of, walks_table
from sonnys_pipeline.marts.members.readings import days_from, days_over
from sonnys_pipeline.marts.members.reasons import not_landed, standing_unknown
from sonnys_pipeline.marts.members.standing import HELD, VERSIONS
from sonnys_pipeline.marts.unknown import SEPARATOR

#: Columns of `recurring_billings` that cohorts need, beside the day `date`.
CHARGE_COLUMNS = ("account_id", "amount_charged")
_DAY = timedelta(days=1)
_MONTHS = pa.schema([("month", pa.date32()), ("as_of", pa.date32()), ("no_revenue", pa.string())])
_KNOWN = pa.schema([("as_of", pa.date32()), ("site", pa.string()), ("no_active", pa.string())])

# The site and plan of an account are those that it was first listed with, so that nobody moves to another cohort.
_MEMBERS = """
    SELECT
        versions.id,
        versions.sign_up_day,
        date_trunc('month', versions.sign_up_day) AS cohort,
        homes.site,
        versions.plan
    FROM versions JOIN homes USING (code)
    WHERE versions.since = DATE '0001-01-01' AND versions.sign_up_day IS NOT NULL
"""

_RESULT = f"""
    WITH standing AS (
        SELECT members.cohort, members.site, members.plan, months.month, months.as_of, months.no_revenue,
            count(*) AS signed_up,
            count(*) FILTER (WHERE held.status = 'Active') AS still_active
        FROM months
        JOIN members ON members.sign_up_day <= months.as_of
        LEFT JOIN held ON held.day = months.as_of AND held.id = members.id
        GROUP BY ALL
    ),
    charged AS (
        SELECT members.cohort, members.site, members.plan, months.month, sum(dollars_of(amount_charged)) AS revenue
        FROM charges
        JOIN members ON members.id = charges.account_id
        JOIN months ON charges.day BETWEEN months.month AND months.as_of
        GROUP BY ALL
    )
    SELECT
        site,
        CAST(cohort AS DATE) AS cohort,
        nullif(plan, '') AS plan,
        datediff('month', cohort, month) AS months_since,
        as_of,
        signed_up,
        CASE WHEN no_active IS NULL THEN still_active END AS still_active,
        CASE WHEN no_active IS NULL THEN still_active / signed_up END AS share,
        CASE WHEN no_revenue IS NULL THEN coalesce(revenue, 0) END AS revenue,
        nullif(concat_ws('{SEPARATOR}', no_active || ' (still_active, share)', no_revenue || ' (revenue)'), '')
            AS unknown
    FROM standing
    JOIN known USING (as_of, site)
    LEFT JOIN charged USING (cohort, site, plan, month)
    ORDER BY site, cohort, plan, months_since
"""  # noqa: S608 - names of this house

_WITHOUT_COHORT = """
    SELECT
        (SELECT count(DISTINCT id) FROM versions WHERE id NOT IN (SELECT id FROM members)) AS undated,
        (SELECT count(*) FROM charges WHERE account_id IS NULL OR account_id NOT IN (SELECT id FROM members)) AS others
"""


@dataclass(frozen=True)
class Charges:
    """Rows of `recurring_billings` with their day `date`, at least `CHARGE_COLUMNS`; landed days, and when read."""

    rows: pa.Table
    landed: Mapping[date, datetime]


@dataclass(frozen=True)
class Cohorts:
    """The mart; accounts that do not say when they signed up, and charges of no account in a cohort, are counted."""

    table: pa.Table
    undated_accounts: int
    charges_without_cohort: int


def membership_cohorts(members: Members, charges: Charges, through: date, engine: Engine = DUCKDB) -> Cohorts:
    """Members by month of sign-up, billing site and plan, in each month since (RS-03).

    Args:
        members: accounts and all their landed changes.
        charges: what accounts were charged.
        through: the last day to count; the month that it is in is counted up to it.
        engine: what runs the SQL.

    Returns:
        `MEMBERSHIP_COHORTS` by site, cohort, plan and month. Months before the first landed day are left out. A figure
        is null if a day that it needs is not landed; `unknown` says which (KPIS, "Members").
    """
    begun = min((day for day in (*members.landed, *charges.landed) if day <= through), default=None)
    if begun is None or not members.accounts.num_rows:
        return Cohorts(MEMBERSHIP_COHORTS.empty_table(), 0, 0)
    months = {month: min(_next(month) - _DAY, through) for month in _months(begun, through)}
    places = members.places_on(months.values())
    zones = {(row["day"], row["site"]): row["timezone"] for row in places.to_pylist()}
    homes = {code: members.places.on(code, through)[0] for code in members.codes}
    whole = days_over(charges.landed, set(zones.values()))
    walks = members.walks_to({(day, zone) for (day, _), zone in zones.items()})
    tables = {
        "history": members.history,
        "changes": members.ordered_changes,
        "days": pa.table({"day": pa.array(months.values(), pa.date32())}),
        "places": places,
        "walks": walks_table(walks.values()),
        "homes": pa.table({"code": pa.array(homes, pa.string()), "site": pa.array(homes.values(), pa.string())}),
        "months": table_of(
            _MONTHS, [(month, as_of, _uncharged(whole, month, as_of)) for month, as_of in months.items()]
        ),
        "known": table_of(
            _KNOWN,
            [
                (day, site, next(iter(standing_unknown(members.readings, day, zone)), None))
                for day in months.values()
                for site, zone in {(site, members.places.on(code, day)[1]) for code, site in homes.items()}
            ],
        ),
        "charges": charges.rows.select(["date", *CHARGE_COLUMNS]).rename_columns(["day", *CHARGE_COLUMNS]),
    }
    with engine.open_tables(tables) as session:
        for name, query in {"versions": VERSIONS, "held": HELD, "members": _MEMBERS}.items():
            session.keep(name, query)
        table = session.fetch(_RESULT).select(MEMBERSHIP_COHORTS.names).cast(MEMBERSHIP_COHORTS)
        [left_out] = session.fetch(_WITHOUT_COHORT).to_pylist()
    return Cohorts(table, left_out["undated"], left_out["others"])


def _uncharged(whole: Collection[date], month: date, as_of: date) -> str | None:
    lacking = [day for day in days_from(month, as_of) if day not in whole]
    return next(iter(not_landed("recurring_billings", lacking)), None)


def _months(first: date, last: date) -> list[date]:
    found = [first.replace(day=1)]
    while _next(found[-1]) <= last:
        found.append(_next(found[-1]))
    return found


def _next(month: date) -> date:
    """The first day of the month after."""
    return (month.replace(day=28) + timedelta(days=4)).replace(day=1)
