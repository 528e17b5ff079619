"""A chain of any size on a virtual clock: the API and its pages as stand-ins, for `scale.py`.

The loader, its schedule, ledger, audit and landing above are the real ones. What stands in: the network, the API's
clock, the budget's store, and a page's rows, which have ids and instants and nothing else. So hours of a large chain's
loading take seconds, and what they cost in requests, ledger and audit is what they would cost.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pyarrow as pa

from sonnys_pipeline.client import JobData
from sonnys_pipeline.extract.pages.fetch import PageReader
from sonnys_pipeline.extract.pages.page import PageRows
from sonnys_pipeline.lake.schema import TRANSACTIONS
from sonnys_pipeline_tests.support.virtual_clock import VirtualApi, VirtualClock, answer

#: Hexadecimal digits of a load job's hash; the simulator's are as long.
_HASH_DIGITS = 32


class LargeApi(VirtualApi):
    """The tests' fake API with any number of rows a day, told and not made."""

    def __init__(
        self, clock: VirtualClock, rows_per_day: int, *, late_rows: tuple[tuple[float, float], ...] = ()
    ) -> None:
        """Begin without a load job.

        Args:
            clock: the virtual one.
            rows_per_day: evenly over the day.
            late_rows: rows that arrive while a day is read, from terminals that were offline: the second of the clock
                at which one arrives, and where in its day it lies, from 0 to 1. It changes the `total` of what is asked
                for from then on.
        """
        super().__init__(clock, rows_per_day=rows_per_day)
        self.late_rows = late_rows

    def submit_job(self, **params: Any) -> str:  # noqa: ANN401 - the API's parameters
        """A hash as long as a real one."""
        return f"{super().submit_job(**params):0>{_HASH_DIGITS}}"

    def get_job_body(self, job_hash: str) -> bytes:
        """`working`, or the page's numbers in the place of its rows: how many there are before it, on it, in all."""
        self.arrive("poll")
        job = self.jobs[job_hash.lstrip("0")]
        if self.clock() < job.ready:
            self.counts["working"] += 1
            return answer(job_hash, "working")
        total = self.rows_in(job.params["startDate"], job.params["endDate"], job.ready)
        before = (job.params["offset"] - 1) * job.params["limit"]
        return b"%d %d %d" % (before, min(job.params["limit"], total - before), total)

    def rows_in(self, start: int, end: int, moment: float) -> int:
        """Rows of a span, evenly over the day, and those that have come late until a moment."""
        midnight = start // 86400 * 86400
        late = sum(come <= moment and start <= midnight + 86400 * place < end for come, place in self.late_rows)
        return round(self.rows_per_day * (end - start) / 86400) + late


class StandInReader(PageReader):
    """Makes a page of such numbers: ids that differ, one instant, and nulls."""

    def read(self, api: Any, job_hash: str, params: Any) -> PageRows | JobData:  # noqa: ANN401 - as its base
        """A page, or the job's state where it has not passed."""
        body = api.get_job_body(job_hash)
        if body.startswith(b"{"):
            return super().read(_Answered(body), job_hash, params)
        _, rows, total = map(int, body.split())
        ids = [f"{job_hash}:{number}" for number in range(rows)]
        table = _rows(params["startDate"], rows)
        return PageRows(job_hash, total, table.set_column(_ID, "id", pa.array(ids, pa.string())), ids)


class _Answered:
    """An API that has answered already."""

    def __init__(self, body: bytes) -> None:
        self._body = body

    def get_job_body(self, job_hash: str) -> bytes:  # noqa: ARG002 - as the API's
        """The answer."""
        return self._body


def _rows(start: int, count: int) -> pa.Table:
    """So many rows of one instant, as empty as the schema allows."""
    if (start, count) not in _made:
        instant = datetime.fromtimestamp(start, UTC)
        columns = [
            pa.array([_PLAIN.get(field.type, instant)] * count, field.type)
            if not pa.types.is_list(field.type)
            else pa.array([[]] * count, field.type)
            for field in TRANSACTIONS
        ]
        _made[start, count] = pa.Table.from_arrays(columns, schema=TRANSACTIONS)
    return _made[start, count]


_ID = TRANSACTIONS.get_field_index("id")
_PLAIN: dict[pa.DataType, Any] = {pa.string(): "x", pa.int64(): 0, pa.float64(): 0.0, pa.bool_(): False}
_made: dict[tuple[int, int], pa.Table] = {}
