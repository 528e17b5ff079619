"""The small lake's day so far, as looks would have read it, without an API."""

from datetime import date, datetime, timedelta
from decimal import Decimal

from sonnys_pipeline.client.models import TransactionJobItem, parse_rows
from sonnys_pipeline.client.site_codes import fold
from sonnys_pipeline.lake.dataset import Lake
from sonnys_pipeline.lake.schema import TRANSACTIONS, to_table
from sonnys_pipeline.today.chain import Chain
from sonnys_pipeline.today.figures import Today, figures_of
from sonnys_pipeline.today.file import TodayFile
from sonnys_pipeline.today.state import Accuracy, SiteRead, Sums, TodayState
from sonnys_pipeline_tests.support.small_lake import NOW, world

OFF = (
    Accuracy(
        business_date=date(2026, 3, 20),
        at="20:00",
        sites=3,
        shown=Sums(rows=80, cars=61, sales=Decimal("990.50")),
        landed=Sums(rows=84, cars=62, sales=Decimal("1000.00")),
    ),
    Accuracy(
        business_date=date(2026, 3, 20),
        at="close",
        sites=3,
        shown=Sums(rows=88, cars=65, sales=Decimal("1010.00")),
        landed=Sums(rows=88, cars=65, sales=Decimal("1010.00")),
    ),
)


def day_so_far(lake: Lake, *, without: str = "", problems: tuple[str, ...] = (), now: datetime = NOW) -> Today:
    """Its figures, all sites read until half a minute ago; `without`: the code of a site that was not read."""
    chain, end = Chain.at(now, lake, "UTC"), now - timedelta(seconds=30)
    rows, read = [], {}
    for code in [spec.code for spec in world().sites if spec.code and spec.code != without]:
        rows += world().rows(chain.day(code).start, end - timedelta(milliseconds=1), code)
        read[fold(code)] = SiteRead(since=chain.day(code).start, as_of=end)
    table = to_table(parse_rows(TransactionJobItem, rows), TRANSACTIONS)
    state = TodayState(looked_at=now, requests=6, sites=read, accuracy=OFF)
    return figures_of(TodayFile(table, state), lake, timezone="UTC", now=now, problems=problems)
