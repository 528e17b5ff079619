"""Null figures and their reasons: a figure is null if no row of the site's day has a field that it needs.

A day without rows has zeros. If only some rows lack the field, the figure counts the others, and the reason says how
many lack it. Rows left out because of an amount out of range are named, too.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from sonnys_pipeline.client.models import MAX_AMOUNT

#: Ids of left-out rows named in a reason.
NAMED_IDS = 3
#: Phrases of the reasons.
NO_ROW, LEFT_OUT = "no row of this day has it", "left out of every figure, having an amount beyond"
#: Fields that `transaction_states` has if the rows lack them.
FROM_STATES = ("transaction_status", "is_recurring_plan_sale")
#: Separates the reasons of one day.
SEPARATOR = "; "
#: Columns of `counted` for the reasons, by name: rows, and rows with and without each field.
FIELD_COUNTS = {
    "transactions": "count(*)",
    "rows_with_status": "count(transaction_status)",
    "rows_with_plan_sale": "count(is_recurring_plan_sale)",
    "rows_with_device": "count(sales_device_name)",
    "rows_lacking_status": "count(*) - count(transaction_status)",
    "rows_lacking_plan_sale": "count(*) - count(is_recurring_plan_sale)",
    "rows_lacking_device": "count(*) FILTER (WHERE plan_sale AND is_recurring_sale AND sales_device_name IS NULL)",
}


def counts_sql(counts: Mapping[str, str]) -> str:
    """SQL of columns, by their names."""
    return ",\n".join(f"{sql} AS {name}" for name, sql in counts.items())


def filled_sql(counts: Iterable[str]) -> str:
    """SQL of these columns of `counted`, with 0 for site days without rows."""
    return ",\n".join(f"coalesce(counted.{name}, 0) AS {name}" for name in counts)


@dataclass(frozen=True)
class RequiredField:
    """A field that figures need.

    Attributes:
        field: column of `transactions`.
        rows: suffix of the columns of `FIELD_COUNTS` for rows with (`rows_with_…`) and without (`rows_lacking_…`) it.
        figures: columns that are null if no row has the field; may be none.
        without: how a row without the field is counted.
    """

    field: str
    rows: str
    figures: tuple[str, ...]
    without: str

    @property
    def figures_sql(self) -> str:
        """SQL of the figures: null if there are rows and none has the field."""
        return ",\n".join(
            f"CASE WHEN {self._none_has_it} THEN NULL ELSE {figure} END AS {figure}" for figure in self.figures
        )

    @property
    def reason_sql(self) -> str:
        """SQL of the reason; null if every row has the field."""
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


STATUS = RequiredField(
    "transaction_status",
    "status",
    ("voided_transactions", "unsettled_transactions", "net_cars", "net_sales"),
    "counted as neither voided nor unsettled",
)
DEVICE = RequiredField(
    "sales_device_name",
    "device",
    ("new_memberships_in_lane", "conversion_rate_in_lane"),
    "counted as sold in the lane",
)
PLAN_FLAG = RequiredField(
    "is_recurring_plan_sale",
    "plan_sale",
    (),
    "counted by is_recurring_sale, so that upgrades of plans are in retail_sales",
)
UPGRADES = RequiredField("is_recurring_plan_sale", "plan_sale", ("plan_upgrades",), "counted by is_recurring_sale")


def unknown_sql(needs: Sequence[RequiredField], *others: str) -> str:
    """SQL of the column `unknown`: all reasons, or null; `others` is SQL of reasons that no missing field gives."""
    left_out = (
        f"CASE WHEN left_out > 0 THEN '{LEFT_OUT} {MAX_AMOUNT:,} dollars: ' || left_out_ids || "
        f"CASE WHEN left_out > {NAMED_IDS} THEN ' and ' || (left_out - {NAMED_IDS}) || ' more' ELSE '' END END"
    )
    reasons = ", ".join([*(need.reason_sql for need in needs), *others, left_out])
    return f"nullif(concat_ws('{SEPARATOR}', {reasons}), '') AS unknown"
