"""DG-03: in which order a run reads its days."""

import pyarrow as pa

from sonnys_pipeline.lake.dataset import Lake
from sonnys_pipeline.orchestration.runs import missing_first

DAYS = ["2026-03-10", "2026-03-11", "2026-03-12", "2026-03-13"]


def test_what_is_missing_is_read_before_what_is_read_again(tmp_path):
    """A morning lands yesterday before it looks at older days once more; each lot in the order of the calendar."""
    lake = Lake(tmp_path)
    for day in DAYS[:2]:
        lake.land("transactions", pa.table({"id": ["1"]}), partition=day)

    assert missing_first(lake, DAYS) == ["2026-03-12", "2026-03-13", "2026-03-10", "2026-03-11"]
    assert missing_first(Lake(tmp_path / "empty"), DAYS) == DAYS


def test_a_day_of_some_sites_is_missing(tmp_path):
    """Its other sites are not landed: it is no day that is only read again."""
    lake = Lake(tmp_path)
    lake.land("transactions", pa.table({"id": ["1"]}), partition=DAYS[0])
    lake.land("transactions", pa.table({"id": ["1"]}), partition=DAYS[1], metadata={"sites": '["MAIN"]'})

    assert missing_first(lake, DAYS[:2]) == [DAYS[1], DAYS[0]]
