"""RS-02: a list that was read becomes the newest version of its landed history."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from sonnys_pipeline.client import Item, ValidationError
from sonnys_pipeline.extract.pages.pii import Privacy
from sonnys_pipeline.lake.dataset import Lake
from sonnys_pipeline.lake.errors import OtherSourceError
from sonnys_pipeline.lake.schema import to_table
from sonnys_pipeline.landing.dimensions.asking import read_list
from sonnys_pipeline.landing.dimensions.landing import LandedReading, Reading, land_reading
from sonnys_pipeline.landing.dimensions.tables import ITEMS
from sonnys_pipeline.landing.transactions import Source

EVENING = datetime(2026, 6, 2, 3, tzinfo=UTC)


def reading(**prices: float) -> Reading:
    rows = [Item(name=name, price_at_site=price, site_location="MAIN") for name, price in prices.items()]
    return Reading(to_table(rows, ITEMS.listed), EVENING, "America/Chicago", Source("digest"))


def land(lake: Lake, read: Reading) -> LandedReading:
    return land_reading(lake, ITEMS, read, Privacy())


def test_the_day_of_a_reading_is_that_of_the_pipelines_zone(tmp_path: Path) -> None:
    """Three in the morning UTC is the evening before in Chicago."""
    lake = Lake(str(tmp_path))
    landed = land(lake, reading(a=1, b=2))
    assert (landed.current, landed.begun, landed.ended) == (2, 2, 0)
    assert lake.read("items")["valid_from"].to_pylist() == [date(2026, 6, 1)] * 2
    assert lake.metadata("items")["read_at"] == EVENING.isoformat()
    later = replace(reading(a=1, b=3), read_at=datetime(2026, 6, 3, 3, tzinfo=UTC))
    landed = land(lake, later)
    assert (landed.current, landed.begun, landed.ended, landed.file.rows) == (2, 1, 1, 3)


@pytest.mark.parametrize(
    "other", [{"timezone": "UTC"}, {"source": Source("another")}, {"source": Source("digest", "MAIN")}]
)
def test_a_history_of_another_source_stays(tmp_path: Path, other: dict[str, object]) -> None:
    lake = Lake(str(tmp_path))
    land(lake, reading(a=1))
    with pytest.raises(OtherSourceError, match="it stays"):
        land(lake, replace(reading(a=1), **other))  # type: ignore[arg-type] # names of its fields


def test_another_refusal_than_of_the_site_is_an_error() -> None:
    """Only a list that needs a site is read site by site."""

    def read(site: str | None = None) -> Sequence[Item]:
        raise ValidationError(422, "PayloadValidationError", ("limit: must be between 1 and 100.",))

    with pytest.raises(ValidationError):
        read_list(read, lambda: ["MAIN"])
