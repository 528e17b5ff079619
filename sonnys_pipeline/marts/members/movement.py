"""Members who joined, left and came back, by billing site, plan and business day; active members and their revenue."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, timedelta

import pyarrow as pa

from sonnys_pipeline.client.lists.fields import STATUSES
from sonnys_pipeline.lake.engines.sessions import DUCKDB, Engine
from sonnys_pipeline.marts.members.columns import MEMBERSHIP_MOVEMENT
from sonnys_pipeline.marts.members.inputs import Members, table_of, walks_table
from sonnys_pipeline.marts.members.readings import Readings
from sonnys_pipeline.marts.members.reasons import not_landed, standing_unknown, unread
from sonnys_pipeline.marts.members.standing import HELD, VERSIONS, VOLUNTARY
from sonnys_pipeline.marts.unknown import SEPARATOR

_DAY = timedelta(days=1)
#: Unknown statuses that a reason names.
_NAMED = 5
#: Figures by what they need; each has a column `no_…` with the reason why it is not known, or null.
_FIGURES = {
    "joined": ("joined",),
    "moved": ("left_voluntary", "left_involuntary", "came_back"),
    "net": ("net",),
    "switched": ("switched_in", "switched_out"),
    "active": ("active", "on_trial", "mrr", "trial_mrr"),
    "start": ("active_at_month_start",),
    "month": ("left_in_month",),
    "churn": ("monthly_churn",),
}
_REASONS = pa.schema(
    [
        ("day", pa.date32()),
        ("site", pa.string()),
        ("month_start", pa.date32()),
        *((f"no_{name}", pa.string()) for name in _FIGURES),
        ("reasons", pa.string()),
    ]
)

_MOVED = f"""
    SELECT
        changes.day,
        places.site,
        versions.plan,
        count(*) FILTER (WHERE old_status = 'Active' AND new_status IN {VOLUNTARY}) AS left_voluntary,
        count(*) FILTER (WHERE old_status = 'Active' AND new_status NOT IN {("Active", *VOLUNTARY)})
            AS left_involuntary,
        count(*) FILTER (WHERE old_status <> 'Active' AND new_status = 'Active') AS came_back,
        count(*) FILTER (
            WHERE new_status IS NULL OR (old_status IS NULL AND versions.sign_up_day IS DISTINCT FROM changes.day)
        ) AS lacking,
        list_sort(list(DISTINCT new_status) FILTER (
            WHERE old_status = 'Active' AND new_status NOT IN {STATUSES}
        )) AS strange
    FROM changes
    JOIN versions ON versions.id = changes.id AND versions.since <= changes.day AND versions.until > changes.day
    JOIN places ON places.day = changes.day AND places.code = versions.code
    GROUP BY ALL
"""  # noqa: S608 - names of this house

_STANDING = """
    SELECT
        day,
        site,
        plan,
        count(*) FILTER (WHERE status = 'Active') AS active,
        count(*) FILTER (WHERE status = 'Active' AND on_trial) AS on_trial,
        coalesce(sum(amount) FILTER (WHERE status = 'Active' AND NOT yearly), 0)
            + dollars_each(coalesce(sum(amount) FILTER (WHERE status = 'Active' AND yearly), 0), 12) AS mrr,
        coalesce(sum(amount) FILTER (WHERE status = 'Active' AND on_trial AND NOT yearly), 0)
            + dollars_each(coalesce(sum(amount) FILTER (WHERE status = 'Active' AND on_trial AND yearly), 0), 12)
            AS trial_mrr,
        count(*) FILTER (WHERE status IS NULL) AS without_status,
        count(*) FILTER (WHERE status = 'Active' AND amount IS NULL) AS without_amount,
        count(*) FILTER (WHERE status = 'Active' AND amount IS NOT NULL AND period_assumed) AS without_period,
        count(*) FILTER (WHERE unsure) AS unsure
    FROM held
    GROUP BY ALL
"""

_JOINED = """
    SELECT days.day, places.site, versions.plan, count(*) AS joined
    FROM days
    JOIN versions ON versions.sign_up_day = days.day AND versions.since <= days.day AND versions.until > days.day
    JOIN places ON places.day = days.day AND places.code = versions.code
    GROUP BY ALL
"""

_SWITCHED = """
    WITH pairs AS (
        SELECT now.day, now.site, now.plan, old.site AS old_site, old.plan AS old_plan
        FROM held AS old JOIN held AS now ON now.id = old.id AND now.day = old.day + 1
        WHERE old.status = 'Active' AND (old.site <> now.site OR old.plan <> now.plan)
    ),
    gone AS (
        SELECT old.day + 1 AS day, old.site, old.plan
        FROM held AS old ANTI JOIN held AS now ON now.id = old.id AND now.day = old.day + 1
        WHERE old.status = 'Active'
    )
    SELECT day, site, plan, sum(into_it) AS switched_in, sum(out_of_it) AS switched_out, sum(gone) AS gone
    FROM (
        SELECT day, site, plan, 1 AS into_it, 0 AS out_of_it, 0 AS gone FROM pairs
        UNION ALL SELECT day, old_site, old_plan, 0, 1, 0 FROM pairs
        UNION ALL SELECT day, site, plan, 0, 0, 1 FROM gone
    )
    GROUP BY ALL
"""

_COUNTS = ", ".join(
    f"coalesce({name}, 0) AS {name}"
    for name in (
        "active", "on_trial", "mrr", "trial_mrr", "without_status", "without_amount", "without_period", "unsure",
        "left_voluntary", "left_involuntary", "came_back", "lacking", "joined", "switched_in", "switched_out", "gone",
        "left_in_month", "active_at_month_start",
    )
)  # fmt: skip
_COUNTED = f"""
    WITH keys AS (
        SELECT day, site, plan FROM standing
        UNION SELECT day, site, plan FROM moved
        UNION SELECT day, site, plan FROM newcomers
        UNION SELECT day, site, plan FROM switched
    ),
    in_month AS (
        SELECT keys.day, keys.site, keys.plan, sum(left_voluntary + left_involuntary) AS left_in_month
        FROM keys
        JOIN known USING (day, site)
        JOIN moved ON moved.site = keys.site AND moved.plan = keys.plan
            AND moved.day BETWEEN known.month_start AND keys.day
        GROUP BY ALL
    ),
    at_start AS (
        SELECT day + 1 AS month_start, site, plan, active AS active_at_month_start FROM standing
    )
    SELECT keys.day, keys.site, keys.plan, {_COUNTS}, strange
    FROM keys
    JOIN (SELECT day, site, month_start FROM known) AS months USING (day, site)
    LEFT JOIN standing USING (day, site, plan)
    LEFT JOIN moved USING (day, site, plan)
    LEFT JOIN newcomers USING (day, site, plan)
    LEFT JOIN switched USING (day, site, plan)
    LEFT JOIN in_month USING (day, site, plan)
    LEFT JOIN at_start USING (month_start, site, plan)
"""  # noqa: S608 - names of this house


def _if_known(group: str) -> str:
    return "".join(
        f"CASE WHEN no_{group} IS NULL THEN {figure} END AS {figure},\n        " for figure in _FIGURES[group]
    )


def _partly(count: str, group: str, one: str, more: str, rest: str) -> str:
    """SQL of a reason that counts what figures do not cover; null if there is nothing, or they are not known at all."""
    return (
        f"CASE WHEN no_{group} IS NULL AND {count} > 0 "
        f"THEN {count} || CASE WHEN {count} = 1 THEN ' {one}' ELSE ' {more}' END || '{rest}' END"
    )


_STRANGE = (
    "CASE WHEN no_moved IS NULL AND array_length(strange) > 0 "
    f"THEN 'unknown status counted as involuntary: ' || array_to_string(array_slice(strange, 1, {_NAMED}), ', ') END"
)
_PARTLY = ",\n        ".join(
    (
        _partly("without_status", "active", "account has", "accounts have", " no status, counted as not active"),
        _partly("without_amount", "active", "active account has", "active accounts have", " no billing_amount"),
        _partly(
            "without_period", "active", "active account has", "active accounts have",
            " no billing dates, counted as billed monthly",
        ),
        _partly(
            "unsure", "active", "account was", "accounts were",
            " listed long after the sign-up, counted with the status of then",
        ),
        _partly("gone", "switched", "account", "accounts", " active the day before can no longer be found in the list"),
        _partly("lacking", "moved", "change names", "changes name", " no old or new status and cannot be counted"),
        _STRANGE,
    )
)  # fmt: skip

_RESULT = f"""
    WITH figures AS (
        SELECT
            *,
            joined + came_back - left_voluntary - left_involuntary AS net,
            CASE WHEN active_at_month_start > 0 THEN left_in_month / active_at_month_start END AS monthly_churn
        FROM counted JOIN known USING (day, site)
    )
    SELECT
        site,
        day AS business_date,
        nullif(plan, '') AS plan,
        {"".join(_if_known(group) for group in _FIGURES)}
        nullif(concat_ws('{SEPARATOR}', reasons, {_PARTLY}), '') AS unknown
    FROM figures
    ORDER BY site, business_date, plan
"""  # noqa: S608 - names of this house

#: Tables by name, each made of those before it.
_STEPS = {
    "versions": VERSIONS,
    "held": HELD,
    "moved": _MOVED,
    "standing": _STANDING,
    "newcomers": _JOINED,
    "switched": _SWITCHED,
    "counted": _COUNTED,
}


@dataclass(frozen=True)
class Movement:
    """The mart, and the accounts that are counted without a plan and an amount, since no list has them."""

    table: pa.Table
    unlisted: tuple[str, ...]


def membership_movement(members: Members, business_dates: Collection[date], engine: Engine = DUCKDB) -> Movement:
    """Members who joined, left and came back, and those who are active, on site-local business days (RS-03).

    Returns:
        `MEMBERSHIP_MOVEMENT` by site, date and plan: a row for each site and plan that an account is listed with which
        had signed up by then, zeros included. A figure is null if a day of changes that it needs is not landed, or the
        accounts were not read after the day's end; `unknown` says which (KPIS, "Members").
    """
    wanted = sorted(set(business_dates))
    if not wanted or not members.accounts.num_rows:
        return Movement(MEMBERSHIP_MOVEMENT.empty_table(), ())
    days = sorted({one for day in wanted for one in days_counted(day)})
    changes = members.ordered_changes
    places = members.places_on(sorted({*days, *changes["day"].unique().to_pylist()}))
    zones = {(row["day"], row["site"]): row["timezone"] for row in places.to_pylist()}
    walks = members.walks_to({(day, zone) for (day, _), zone in zones.items() if day in set(days)})
    tables = {
        "history": members.history,
        "changes": changes,
        "days": pa.table({"day": pa.array(days, pa.date32())}),
        "places": places,
        "walks": walks_table(walks.values()),
        "known": table_of(
            _REASONS,
            [_known(members.readings, day, site, zone) for (day, site), zone in zones.items() if day in wanted],
        ),
    }
    with engine.open_tables(tables) as session:
        for name, query in _STEPS.items():
            session.keep(name, query)
        table = session.fetch(_RESULT).select(MEMBERSHIP_MOVEMENT.names).cast(MEMBERSHIP_MOVEMENT)
    return Movement(table, tuple(members.unlisted["id"].to_pylist()))


def days_counted(day: date) -> tuple[date, date, date]:
    """Days at whose end accounts are counted for a business day: the month's start, the day before, the day."""
    return day.replace(day=1) - _DAY, day - _DAY, day


def _known(readings: Readings, day: date, site: str, zone: str) -> tuple[object, ...]:
    """A row of `known`: why groups of figures of a site's day are not known."""
    start, before, _ = days_counted(day)
    moved = not_landed("recurring_status_changes", readings.lacking(day, day, zone))
    month = not_landed("recurring_status_changes", readings.lacking(day.replace(day=1), day, zone))
    whys = {
        "joined": unread(readings, day, zone),
        "moved": moved,
        "net": [*unread(readings, day, zone), *moved],
        "switched": unread(readings, day, zone) or standing_unknown(readings, before, zone),
        "active": standing_unknown(readings, day, zone),
        "start": standing_unknown(readings, start, zone),
        "month": month,
        "churn": [*standing_unknown(readings, start, zone), *month],
    }
    figures: dict[str, list[str]] = {}
    for group, reasons in whys.items():
        for reason in reasons:
            figures.setdefault(reason, []).extend(_FIGURES[group])
    text = SEPARATOR.join(f"{reason} ({', '.join(names)})" for reason, names in figures.items())
    first = {group: next(iter(reasons), None) for group, reasons in whys.items()}
    return day, site, day.replace(day=1), *(first[group] for group in _FIGURES), text or None
