"""Compare landed rows with other endpoints of the API for the same day."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from sonnys_pipeline.lake.sql import Rows, open_judged
from sonnys_pipeline.quality.result import Finding, finding


def rows_apart(landed: Mapping[str, float], listed: Mapping[str, float]) -> Finding:
    """Rows that differ between the landed day and the API's list of it (`GET /transaction`, same `[start, end)`).

    Both are totals in dollars by id; they are compared in cents.
    """
    here, there = landed.keys(), listed.keys()
    return finding(
        len(here | there),
        [
            ("listed by the API but not landed", there - here),
            ("landed but not listed by the API", here - there),
            (
                "landed with another total than the API lists",
                [row_id for row_id in here & there if round(landed[row_id] * 100) != round(listed[row_id] * 100)],
            ),
        ],
    )


def wash_disagreements(transactions: Rows, wash_ids: Collection[str]) -> Finding:
    """Rows on which our `wash` differs from the API's (KPIS: job rows do not carry the API's own list).

    `transactions` are landed rows of a day, with the columns of `KPI_INPUT`; our washes have an item of department
    "Wash" that is not voided. `wash_ids` are those of `/transaction/type/wash` for the same `[start, end)`.
    """
    with open_judged(transactions) as connection:
        rows = connection.execute("SELECT id, wash FROM judged").fetchall()
    ours, theirs = {row_id for row_id, wash in rows if wash}, set(wash_ids)
    landed = {row_id for row_id, _ in rows}
    return finding(
        len(landed | theirs),
        [
            ("a wash by its items, but not in the API's list", ours - theirs),
            ("in the API's list of washes, without an unvoided wash item", (theirs & landed) - ours),
            ("in the API's list of washes, but not landed", theirs - landed),
        ],
    )
