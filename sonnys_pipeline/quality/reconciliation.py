"""Landed rows beside what another endpoint of the API says of the same day."""

from __future__ import annotations

from collections.abc import Collection

from sonnys_pipeline.lake.sql import Rows, open_judged
from sonnys_pipeline.quality.result import Finding, finding


def ids_apart(landed: Collection[str], listed: Collection[str]) -> Finding:
    """Ids that only one side has: the landed day, or the API's own list of it (`GET /transaction`).

    Args:
        landed: ids of the landed rows of a day.
        listed: ids that the list endpoint gave for the same `[start, end)`.
    """
    here, there = set(landed), set(listed)
    return finding(
        len(here | there),
        [("listed by the API and not landed", there - here), ("landed and not listed by the API", here - there)],
    )


def wash_disagreements(transactions: Rows, wash_ids: Collection[str]) -> Finding:
    """Rows on which our `wash` and the API's differ (KPIS: job rows do not carry the API's own list).

    Ours: at least one item of department "Wash" that is not voided. The API's: the id is in `/transaction/type/wash`.

    Args:
        transactions: landed rows of a day, with `id` and the columns of `KPI_INPUT`.
        wash_ids: ids of `/transaction/type/wash` for the same `[start, end)`.
    """
    with open_judged(transactions) as connection:
        rows = connection.execute("SELECT id, wash FROM judged").fetchall()
    ours, theirs = {row_id for row_id, wash in rows if wash}, set(wash_ids)
    landed = {row_id for row_id, _ in rows}
    return finding(
        len(landed | theirs),
        [
            ("a wash by its items, and not in the API's list", ours - theirs),
            ("in the API's list of washes, without an unvoided wash item", (theirs & landed) - ours),
            ("in the API's list of washes, and not landed", theirs - landed),
        ],
    )
