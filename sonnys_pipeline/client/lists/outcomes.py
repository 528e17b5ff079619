"""`client.sales_outcomes`: offers of plans, and whether they were taken."""

from __future__ import annotations

from datetime import date

from sonnys_pipeline.client.lists.models import SalesOutcome
from sonnys_pipeline.client.lists.spans import OUTCOME_DAYS, cut_days
from sonnys_pipeline.client.resource import Resource

_PAGE = 500


class SalesOutcomes(Resource):
    """`GET /sales-outcome/list`."""

    def list(self, *, start: date, end: date, **params: object) -> list[SalesOutcome]:
        """Offers of UTC days, `end` included; one request per 500 and 180 days (RS-01).

        An offer has no id: of offers that are equal in time, employee, site, item, terminal and outcome, one is there.

        Raises:
            IncompleteResultError: there are fewer rows than `total` promised.
            UnparsableRowError: a row does not fit `SalesOutcome`.
            ValueError: the last day is before the first one.
        """
        spans = [
            {"startDate": first.isoformat(), "endDate": last.isoformat(), "limit": _PAGE, **params}
            for first, last in cut_days(start, end, OUTCOME_DAYS)
        ]
        return self._in_spans("/sales-outcome/list", "sales", SalesOutcome, spans, _offer)

    def count(self, *, start: date, end: date, **params: object) -> int:
        """How many offers there were on UTC days, at most 180, `end` included, by one request."""
        span = {"startDate": start.isoformat(), "endDate": end.isoformat()}
        return self._count("/sales-outcome/list", {**span, **params})


def _offer(one: SalesOutcome) -> str:
    """An offer has no id."""
    return repr((one.timestamp, one.employee_id, one.site_id, one.item_id, one.terminal_name, one.is_converted))
