"""docs/replay.md, DG-02: the archive holds exactly the pages that made the landed day, for as long as it is told to."""

import json
import logging
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from sonnys_pipeline.extract.pages.pii import Policy, Privacy
from sonnys_pipeline.lake.dataset import Lake
from sonnys_pipeline.lake.errors import LakeError, OtherSourceError, RowsWouldVanishError
from sonnys_pipeline.lake.transactions import ASSET
from sonnys_pipeline.landing import archive
from sonnys_pipeline.landing.archive import ARCHIVE, remove_expired
from sonnys_pipeline.landing.transactions import Source, land_day
from sonnys_pipeline_tests.support.archived_days import FIRST_READ, KEY, read_day

SOURCE = Source("0123456789abcdef")
HASH = Privacy(Policy.HASH, b"k" * 16)

MakeRow = Callable[..., dict[str, Any]]


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(tmp_path / "data")


def pages(lake: Lake) -> list[tuple[str | None, int, str]]:
    """Site, page number and hash of each archived page."""
    return [
        (row["site"], row["page"], row["job_hash"]) for row in lake.read(ARCHIVE, [KEY]).to_pylist()
    ]  # fmt: skip


def of_site(make_row: MakeRow, site: str, count: int) -> list[dict[str, Any]]:
    return [make_row(f"{site}{number}:1", locationCode=site) for number in range(count)]


def test_a_page_is_a_row_with_the_bytes_as_received(lake: Lake, make_row: MakeRow) -> None:
    """What was asked for, by which load job, when it came, and the API's JSON, unchanged; the metadata is the day's."""
    land_day(lake, read_day([make_row(number) for number in range(4)]), source=SOURCE)
    assert lake.path(ARCHIVE, KEY) == lake.root / "transactions_raw" / f"date={KEY}" / "part-0.parquet"
    first, second = lake.read(ARCHIVE, [KEY]).to_pylist()
    body = json.loads(first.pop("body"))
    assert [row["id"] for row in body["data"]["data"]] == ["0:1", "1:1", "2:1"]
    assert body["data"]["data"][0] == make_row(0)
    assert first == {
        "date": date(2026, 3, 10),
        "window_start": read_day([]).day.start,
        "window_end": read_day([]).day.end,
        "site": None,
        "page": 1,
        "job_hash": "hash-0-None-0-0",
        "received_at": FIRST_READ,
    }
    assert (second["page"], second["job_hash"]) == (2, "hash-0-None-0-3")
    of_the_day = lake.metadata(ASSET, KEY)
    del of_the_day["rows"]
    assert lake.metadata(ARCHIVE, KEY) == of_the_day
    assert (of_the_day["pii"], of_the_day["pii_key"]) == ("keep", "")


def test_a_later_read_takes_the_place_of_the_earlier_one(lake: Lake, make_row: MakeRow) -> None:
    """No page of the earlier read is left."""
    land_day(lake, read_day([make_row(number) for number in range(7)]), source=SOURCE)
    land_day(lake, read_day([make_row(1)], number=1), source=SOURCE)
    assert pages(lake) == [(None, 1, "hash-1-None-0-0")]


def test_one_sites_pages_lie_beside_those_of_the_others(lake: Lake, make_row: MakeRow) -> None:
    """Its own earlier pages are replaced, the pages of all sites stay."""
    both = of_site(make_row, "MAIN", 2) + of_site(make_row, "EAST", 1)
    land_day(lake, read_day(both), source=SOURCE)
    land_day(lake, read_day(of_site(make_row, "MAIN", 1), site="MAIN", number=1), source=SOURCE)
    land_day(lake, read_day(of_site(make_row, "MAIN", 4), site="MAIN", number=2), source=SOURCE)
    assert pages(lake) == [
        (None, 1, "hash-0-None-0-0"), ("MAIN", 1, "hash-2-MAIN-0-0"), ("MAIN", 2, "hash-2-MAIN-0-3"),
    ]  # fmt: skip


def test_half_of_a_days_pages_are_not_kept(lake: Lake, make_row: MakeRow, caplog: pytest.LogCaptureFixture) -> None:
    """One site joins a day whose pages nobody kept: there is no archive then, and the log says so."""
    land_day(lake, read_day(of_site(make_row, "EAST", 1), keeps_pages=False), source=SOURCE)
    land_day(lake, read_day(of_site(make_row, "MAIN", 1), site="MAIN", number=1), source=SOURCE)
    assert lake.partitions(ARCHIVE) == []
    assert "cannot be replayed" in caplog.text


def test_an_archive_that_is_not_of_the_landed_day_is_not_joined(lake: Lake, make_row: MakeRow) -> None:
    """A stale one goes, rather than being taken for the other sites' pages."""
    land_day(lake, read_day(of_site(make_row, "EAST", 1)), source=SOURCE)
    stale = lake.path(ARCHIVE, KEY).read_bytes()
    land_day(lake, read_day(of_site(make_row, "EAST", 2), number=1), source=SOURCE)
    lake.path(ARCHIVE, KEY).write_bytes(stale)
    land_day(lake, read_day(of_site(make_row, "MAIN", 1), site="MAIN", number=2), source=SOURCE)
    assert lake.partitions(ARCHIVE) == []


def test_without_an_archive_an_earlier_one_goes(lake: Lake, make_row: MakeRow) -> None:
    """Its pages are not those of the landed day any more; what else lies in the lake stays."""
    land_day(lake, read_day([make_row(1)]), source=SOURCE)
    land_day(lake, read_day([make_row(1)], number=1, keeps_pages=False), source=SOURCE)
    assert (lake.partitions(ARCHIVE), lake.partitions(ASSET)) == ([], [KEY])
    assert not lake.path(ARCHIVE, KEY).parent.exists()


@pytest.mark.parametrize("refused", ["other account", "no rows"])
def test_a_refused_day_leaves_its_archive(lake: Lake, make_row: MakeRow, refused: str) -> None:
    """What is not landed is not archived either."""
    land_day(lake, read_day([make_row(1)]), source=SOURCE)
    before = lake.path(ARCHIVE, KEY).read_bytes()
    rows = [] if refused == "no rows" else [make_row(2)]
    with pytest.raises((OtherSourceError, RowsWouldVanishError)):
        land_day(lake, read_day(rows, number=1), source=SOURCE if refused == "no rows" else Source("another"))
    assert lake.path(ARCHIVE, KEY).read_bytes() == before


def test_one_sites_rows_do_not_join_those_of_another_policy(lake: Lake, make_row: MakeRow) -> None:
    """Hashed beside clear would join with nothing: refused, while a read of the whole day replaces both."""
    land_day(lake, read_day(of_site(make_row, "EAST", 1)), source=SOURCE)
    one = read_day(of_site(make_row, "MAIN", 1), site="MAIN", number=1, privacy=HASH)
    with pytest.raises(OtherSourceError, match="SONNYS_PII=keep; one site's rows cannot be added"):
        land_day(lake, one, source=SOURCE, privacy=HASH)
    land_day(lake, read_day(of_site(make_row, "EAST", 1), privacy=HASH, number=2), source=SOURCE, privacy=HASH)
    land_day(lake, one, source=SOURCE, privacy=HASH)
    other = Privacy(Policy.HASH, b"o" * 16)
    with pytest.raises(OtherSourceError, match="another key"):
        land_day(lake, one, source=SOURCE, privacy=other)


def test_a_day_without_rows_has_an_archive(lake: Lake) -> None:
    """The page that said so."""
    land_day(lake, read_day([]), source=SOURCE)
    assert pages(lake) == [(None, 1, "hash-0-None-0-0")]


def test_expired_archives_go_and_landed_days_stay(
    lake: Lake, make_row: MakeRow, caplog: pytest.LogCaptureFixture
) -> None:
    """So many days back are kept, today not counted; what is removed is logged."""
    caplog.set_level(logging.INFO)
    land_day(lake, read_day([make_row(1)]), source=SOURCE)
    assert remove_expired(lake, 5, date(2026, 3, 15)) == []
    assert remove_expired(lake, 4, date(2026, 3, 15)) == [KEY]
    assert (lake.partitions(ARCHIVE), lake.partitions(ASSET)) == ([], [KEY])
    assert f"older than 4 days: {KEY}" in caplog.text


def test_an_archive_that_cannot_be_removed_is_named(
    lake: Lake, make_row: MakeRow, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The run that wanted to is not failed by it; the next one tries again."""
    land_day(lake, read_day([make_row(1)]), source=SOURCE)

    def refused(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    with monkeypatch.context() as patched:
        patched.setattr(Path, "unlink", refused)
        assert remove_expired(lake, 1, date(2026, 3, 15)) == []
    assert f"the expired archive of {KEY} cannot be removed" in caplog.text
    assert remove_expired(lake, 1, date(2026, 3, 15)) == [KEY]


def test_a_file_of_another_kind_is_no_archive(lake: Lake, make_row: MakeRow) -> None:
    """A day's own file in the archive's place is refused in words."""
    land_day(lake, read_day([make_row(1)]), source=SOURCE)
    table = lake.read(ARCHIVE, [KEY])
    lake.land(ARCHIVE, table, partition=KEY)
    with pytest.raises(LakeError, match="does not say how it was made"):
        archive.read(lake, KEY)
