"""Figures that nobody can know, since no row of the day has the field that they are made of: null, with the reason.

A site's day without rows has zeros, which are known. A day of which some rows lack the field has a figure, made of the
rows that have it, and the reason says how many lack it. Rows that are left out for an absurd amount are named, too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sonnys_pipeline.client.models import MAX_AMOUNT

#: Ids of rows left out that a reason names.
NAMED_IDS = 3
#: What a reason says of a field that is nowhere to be had, and of rows that are in no figure.
NO_ROW, LEFT_OUT = "no row of this day has it", "left out of every figure, having an amount beyond"
#: Fields that the states of a day bring where its rows lack them.
FROM_STATES = ("transaction_status", "is_recurring_plan_sale")
#: Stands between two reasons of one day.
SEPARATOR = "; "
#: Columns of `counted` that the reasons need beside the figures: how many rows there are, and how many have a field.
HAVING = """
        count(*) AS transactions,
        count(transaction_status) AS rows_with_status,
        count(is_recurring_plan_sale) AS rows_with_plan_sale,
        count(sales_device_name) AS rows_with_device,
        count(*) - count(transaction_status) AS rows_lacking_status,
        count(*) - count(is_recurring_plan_sale) AS rows_lacking_plan_sale,
        count(*) FILTER (WHERE plan_sale AND is_recurring_sale AND sales_device_name IS NULL) AS rows_lacking_device,
"""


@dataclass(frozen=True)
class Need:
    """A field, and what of a table cannot be known without it.

    Attributes:
        field: column of `transactions`.
        rows: in the names of the columns of `counted` that say how many rows of the site's day have the field
            (`rows_with_…`), and how many lack it and would need it (`rows_lacking_…`).
        figures: columns of the table that are null where none has; may be none.
        without: what a row without the field counts as.
    """

    field: str
    rows: str
    figures: tuple[str, ...]
    without: str

    @property
    def figures_sql(self) -> str:
        """The figures as expressions: null where rows are there and none of them has the field."""
        return ",\n".join(
            f"CASE WHEN {self._none_has_it} THEN NULL ELSE {figure} END AS {figure}" for figure in self.figures
        )

    @property
    def reason_sql(self) -> str:
        """Why they are null, or made of a part of the rows; null where every row has the field."""
        named = f" ({', '.join(self.figures)})" if self.figures else ""
        instead = "" if self.figures else f", plan sales are {self.without}"
        lacking = f"rows_lacking_{self.rows}"
        return (
            f"CASE WHEN {self._none_has_it} THEN '{self.field}: {NO_ROW}{named}{instead}' "
            f"WHEN {lacking} > 0 THEN '{self.field}: ' || CASE WHEN {lacking} = 1 THEN '1 row of this day lacks it' "
            f"ELSE {lacking} || ' rows of this day lack it' END || ', {self.without}{named}' END"
        )

    @property
    def _none_has_it(self) -> str:
        return f"(transactions > 0 AND rows_with_{self.rows} = 0)"


STATUS = Need(
    "transaction_status",
    "status",
    ("voided_transactions", "unsettled_transactions", "net_cars", "net_sales"),
    "counted as neither voided nor unsettled",
)
DEVICE = Need(
    "sales_device_name",
    "device",
    ("new_memberships_in_lane", "conversion_rate_in_lane"),
    "counted as sold in the lane",
)
PLAN_FLAG = Need(
    "is_recurring_plan_sale",
    "plan_sale",
    (),
    "counted by is_recurring_sale, so that upgrades of plans are in retail_sales",
)
UPGRADES = Need("is_recurring_plan_sale", "plan_sale", ("plan_upgrades",), "counted by is_recurring_sale")


def unknown_sql(needs: Sequence[Need]) -> str:
    """The column `unknown`: all reasons in a sentence or more; null where there are none."""
    left_out = (
        f"CASE WHEN left_out > 0 THEN '{LEFT_OUT} {MAX_AMOUNT:,} dollars: ' || left_out_ids || "
        f"CASE WHEN left_out > {NAMED_IDS} THEN ' and ' || (left_out - {NAMED_IDS}) || ' more' ELSE '' END END"
    )
    reasons = ", ".join([*(need.reason_sql for need in needs), left_out])
    return f"nullif(concat_ws('{SEPARATOR}', {reasons}), '') AS unknown"
