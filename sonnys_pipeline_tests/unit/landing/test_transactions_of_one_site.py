"""DG-02, decision 5: one site's rows beside the others' in the day's file, and what the file then promises."""

import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sonnys_pipeline.client import Site, TransactionJobItem
from sonnys_pipeline.lake.dataset import Lake, LandedFile
from sonnys_pipeline.lake.errors import LakeError, NotLandedError, OtherSourceError, RowsWouldVanishError
from sonnys_pipeline.lake.schema import TRANSACTIONS, to_table
from sonnys_pipeline.lake.transactions import LandedRows, is_landed, landed_sites, promised_rows
from sonnys_pipeline.landing.sites.history import land_sites
from sonnys_pipeline.landing.transactions import Source, land_day
from sonnys_pipeline_tests.unit.landing.test_transactions import loaded_day

KEY = "2026-03-10"
SOURCE = Source("0123456789abcdef")


class Days:
    """One day's file, and what reads of it bring; ids are numbered on, so that no two reads have a row in common."""

    def __init__(self, lake: Lake, make_item: Callable[..., TransactionJobItem]) -> None:
        self.lake = lake
        self._make_item = make_item
        self._number = 0

    def items(self, site: str, count: int) -> list[TransactionJobItem]:
        self._number += count
        return [self._make_item(self._number - place, locationCode=site) for place in range(count)]

    def land(self, site: str | None, source: Source = SOURCE, **counts: int) -> LandedFile:
        """Land a read of one site, or of all, that brought so many rows of each."""
        found = [item for code, count in counts.items() for item in self.items(code, count)]
        return land_day(self.lake, loaded_day(*found, site=site), source=source)

    def land_by_site(self, **counts: int) -> LandedFile:
        """Land a read of all sites, one after the other."""
        return self._land_by_site({code: self.items(code, count) for code, count in counts.items()})

    def rename(self, old: str, new: str, **counts: int) -> None:
        """Land such a read in which the landed rows of a site have another code."""
        ids = [one for one, code in ids_of(self.lake) if code == old]
        renamed = [self._make_item(id_, locationCode=new) for id_ in ids]
        self._land_by_site({new: renamed, **{code: self.items(code, count) for code, count in counts.items()}})

    def _land_by_site(self, items: dict[str, list[TransactionJobItem]]) -> LandedFile:
        loaded = [loaded_day(*found, site=code) for code, found in items.items()]
        windows = tuple(replace(window, site=one.site) for one in loaded for window in one.windows)
        table = pa.concat_tables([one.table for one in loaded])
        return land_day(self.lake, replace(loaded[0], site=None, windows=windows, table=table), source=SOURCE)

    @property
    def counts(self) -> dict[str, int]:
        codes = self.lake.read("transactions", [KEY])["location_code"].to_pylist()
        return {code: codes.count(code) for code in sorted(set(codes))}

    @property
    def promised(self) -> int:
        return promised_rows(self.lake.metadata("transactions", KEY))

    @property
    def content(self) -> bytes:
        return self.lake.path("transactions", KEY).read_bytes()


@pytest.fixture
def days(tmp_path: Path, make_item: Callable[..., TransactionJobItem]) -> Days:
    return Days(Lake(tmp_path / "data"), make_item)


def test_one_sites_rows_take_the_place_of_that_sites_rows(days: Days) -> None:
    """In a file of all sites the others stay as they are; it is still one of all sites, and promises what it has."""
    days.land(None, EAST=3, MAIN=2, WEST=4)
    others = [id_ for id_, code in ids_of(days.lake) if code != "MAIN"]
    assert days.land("MAIN", MAIN=5).rows == 12
    assert days.counts == {"EAST": 3, "MAIN": 5, "WEST": 4}
    assert [id_ for id_, code in ids_of(days.lake) if code != "MAIN"] == others
    assert landed_sites(days.lake, KEY) is None
    assert days.promised == 12
    assert days.lake.metadata("transactions", KEY)["rows"] == "12"


def ids_of(lake: Lake) -> list[tuple[str, str]]:
    """Id and site of each row, in the order of the file."""
    table = lake.read("transactions", [KEY], ["id", "location_code"])
    return list(zip(table["id"].to_pylist(), table["location_code"].to_pylist(), strict=True))


def test_the_file_stays_sorted_and_has_the_same_columns(days: Days) -> None:
    """By site, as a whole day is: readers notice no difference."""
    days.land(None, EAST=2, WEST=2)
    days.land("MAIN", MAIN=2)
    assert [code for _, code in ids_of(days.lake)] == ["EAST", "EAST", "MAIN", "MAIN", "WEST", "WEST"]
    assert days.lake.read("transactions", [KEY]).schema.names == ["date", *TRANSACTIONS.names]


def test_the_first_site_stands_alone_and_says_so(days: Days) -> None:
    """Nobody takes such a file for the whole day; a second site joins it."""
    days.land("MAIN", MAIN=3)
    assert landed_sites(days.lake, KEY) == {"MAIN"}
    assert [is_landed(days.lake, KEY, site) for site in ("MAIN", "EAST", None)] == [True, False, False]
    days.land("EAST", EAST=2)
    assert landed_sites(days.lake, KEY) == {"EAST", "MAIN"}
    assert [is_landed(days.lake, KEY, site) for site in ("MAIN", "EAST", None)] == [True, True, False]
    assert [LandedRows(days.lake).of(KEY, site) for site in ("MAIN", "EAST", "WEST", None)] == [3, 2, None, None]
    assert (days.counts, days.promised) == ({"EAST": 2, "MAIN": 3}, 5)


def test_a_site_without_rows_is_landed_too(days: Days) -> None:
    """Zero is a result: the file, or the site in it, is there."""
    days.land("MAIN")
    assert (LandedRows(days.lake).of(KEY, "MAIN"), days.promised) == (0, 0)
    days.land("EAST", EAST=2)
    days.land("WEST")
    assert landed_sites(days.lake, KEY) == {"EAST", "MAIN", "WEST"}
    assert (LandedRows(days.lake).of(KEY, "WEST"), days.promised) == (0, 2)


def test_of_a_whole_day_every_site_is_landed(days: Days) -> None:
    """Also one that has no rows in it."""
    days.land(None, EAST=2, WEST=1)
    assert [LandedRows(days.lake).of(KEY, site) for site in ("EAST", "WEST", "MAIN", None)] == [2, 1, 0, 3]


def test_a_file_is_read_once_however_many_sites_are_asked_for(days: Days, monkeypatch: pytest.MonkeyPatch) -> None:
    """A plan of 500 sites asks for each of them, and a day's file has 400,000 rows."""
    days.land(None, EAST=2, WEST=1)
    reads, read = [], days.lake.read
    monkeypatch.setattr(days.lake, "read", lambda *what: reads.append(what) or read(*what))
    landed = LandedRows(days.lake)
    assert [landed.of(KEY, site) for site in ("EAST", "WEST", "MAIN", "EAST")] == [2, 1, 0, 2]
    assert len(reads) == 1


def test_nothing_is_landed_where_nothing_can_be_read(days: Days) -> None:
    """No file, or a damaged one; asking for its sites says which of the two."""
    with pytest.raises(NotLandedError):
        landed_sites(days.lake, KEY)
    assert (is_landed(days.lake, KEY, None), LandedRows(days.lake).of(KEY, "MAIN")) == (False, None)
    days.land(None, MAIN=1).path.write_bytes(b"PAR1 half a file")
    with pytest.raises(LakeError, match="cannot be read"):
        landed_sites(days.lake, KEY)
    assert (is_landed(days.lake, KEY, None), LandedRows(days.lake).of(KEY, None)) == (False, None)


def test_a_whole_day_replaces_what_sites_have_brought(days: Days) -> None:
    """Also sites that it does not have; what was superseded before is forgotten."""
    days.land(None, EAST=3, MAIN=2)
    days.land("MAIN", MAIN=4)
    days.land("WEST", WEST=1)
    days.land(None, EAST=2, MAIN=1)
    assert (days.counts, days.promised) == ({"EAST": 2, "MAIN": 1}, 3)
    assert landed_sites(days.lake, KEY) is None


@pytest.mark.no_cover
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])  # make_item has no state
@given(
    reads=st.lists(
        st.one_of(
            st.tuples(st.sampled_from(["EAST", "MAIN", "WEST"]), st.integers(1, 4)),
            st.tuples(st.none(), st.fixed_dictionaries({"EAST": st.integers(0, 3), "MAIN": st.integers(1, 3)})),
        ),
        min_size=1,
        max_size=8,
    )
)
def test_whatever_was_read_in_whatever_order(
    tmp_path_factory: pytest.TempPathFactory, make_item: Callable[..., TransactionJobItem], reads: list[Any]
) -> None:
    """The file has the last read of each site, and promises as many rows as it has: nothing looks cut or doubled."""
    days = Days(Lake(tmp_path_factory.mktemp("lake")), make_item)
    expected: dict[str, int] = {}
    whole = False
    for site, brought in reads:
        if site is None:
            expected, whole = {code: count for code, count in brought.items() if count}, True
            days.land(None, **brought)
        else:
            expected[site] = brought
            days.land(site, **{site: brought})
        assert days.counts == expected
        assert days.promised == sum(expected.values())
        assert landed_sites(days.lake, KEY) == (None if whole else set(expected))


def test_rows_of_other_sites_are_refused(days: Days) -> None:
    """An API that does not keep to the site would double them; which sites came, what to do, and the file stays."""
    days.land(None, EAST=2, MAIN=2)
    before = days.content
    with pytest.raises(LakeError, match=r"2026-03-10: asked for site MAIN, the API sent rows of EAST.*without a site"):
        days.land("MAIN", MAIN=1, EAST=1)
    assert days.content == before


def test_a_sites_rows_do_not_vanish(days: Days) -> None:
    """A read of a site that finds nothing does not replace its rows, in a file of all sites or of some."""
    for begin in (lambda: days.land(None, EAST=2, MAIN=2), lambda: days.land("MAIN", MAIN=2)):
        days.lake.path("transactions", KEY).unlink(missing_ok=True)
        begin()
        before = days.content
        with pytest.raises(RowsWouldVanishError, match="2 rows of site MAIN are landed and the new read has none"):
            days.land("MAIN")
        assert days.content == before


def test_another_source_does_not_join(days: Days) -> None:
    """Another account: refused, and the file stays."""
    days.land("EAST", EAST=2)
    before = days.content
    with pytest.raises(OtherSourceError):
        days.land("MAIN", Source("fedcba9876543210"), MAIN=1)
    assert days.content == before


def test_a_day_read_under_a_site_code_has_that_site_only(days: Days) -> None:
    """c: it said all sites, so the others counted 0. Now it is as after `--site`, until all sites are read again."""
    narrowed = Source(SOURCE.api_id_digest, "MAIN")
    days.land(None, narrowed, MAIN=2)
    assert landed_sites(days.lake, KEY) == {"MAIN"}
    assert [is_landed(days.lake, KEY, site) for site in ("MAIN", "EAST", None)] == [True, False, False]
    days.land(None, EAST=1, MAIN=3)
    assert (landed_sites(days.lake, KEY), is_landed(days.lake, KEY, None)) == (None, True)
    days.land(None, narrowed, MAIN=2)
    assert (days.counts, days.promised) == ({"EAST": 1, "MAIN": 2}, 3)
    assert (landed_sites(days.lake, KEY), is_landed(days.lake, KEY, None)) == (None, True)


def test_a_lake_of_one_site_has_whole_days(days: Days) -> None:
    """A lake that has been read under SONNYS_SITE_CODE from the start lacks nothing: its list has that site alone."""
    land_sites(days.lake, [Site(code="MAIN", name="Main")], datetime(2026, 3, 11, tzinfo=UTC), narrowed=True)
    days.land(None, Source(SOURCE.api_id_digest, "main"), MAIN=2)
    assert is_landed(days.lake, KEY, None)
    land_sites(days.lake, [Site(code="MAIN", name="Main"), Site(code="EAST", name="East")],
               datetime(2026, 3, 12, tzinfo=UTC))  # fmt: skip
    assert not is_landed(days.lake, KEY, None)


def test_a_damaged_day_of_a_site_code_is_landed_again(days: Days) -> None:
    """No read without a site is possible then, so this one repairs it."""
    narrowed = Source(SOURCE.api_id_digest, "MAIN")
    days.land(None, narrowed, MAIN=2).path.write_bytes(b"PAR1 half a file")
    assert days.land(None, narrowed, MAIN=2).rows == 2


def test_rows_of_a_site_that_is_no_longer_read_stay(days: Days) -> None:
    """b: a site that leaves the list keeps its days when they are read again; ids under a new code go there."""
    days.land_by_site(EAST=2, MAIN=2, WEST=1)
    days.land_by_site(MAIN=3, WEST=1)
    assert (days.counts, days.promised) == ({"EAST": 2, "MAIN": 3, "WEST": 1}, 6)
    assert landed_sites(days.lake, KEY) is None
    days.rename("EAST", "EAST2", MAIN=3)
    assert (days.counts, days.promised) == ({"EAST2": 2, "MAIN": 3, "WEST": 1}, 6)


def test_a_damaged_file_is_joined_by_nobody(days: Days) -> None:
    """The other sites' rows would be lost without a word; landing the whole day is the remedy, and works."""
    days.land(None, EAST=2).path.write_bytes(b"PAR1 half a file")
    with pytest.raises(LakeError, match="cannot be read as Parquet"):
        days.land("MAIN", MAIN=1)
    assert days.land(None, EAST=2, MAIN=1).rows == 3


def test_a_file_that_does_not_say_how_it_was_made_is_joined_by_nobody(days: Days) -> None:
    """What it promised could not be told from then on; landing the whole day is the remedy, and works."""
    days.lake.land("transactions", to_table(days.items("EAST", 2), TRANSACTIONS), partition=KEY)
    with pytest.raises(LakeError, match=r"does not say how it was made.*without a site"):
        days.land("MAIN", MAIN=1)
    assert days.counts == {"EAST": 2}
    assert days.land(None, EAST=2, MAIN=1).rows == 3


def test_threads_lose_no_sites_rows(days: Days) -> None:
    """Eight sites land at the same time, several times: each read joins the file as the one before has left it."""
    sites = [f"S{number}" for number in range(8)]
    reads = [loaded_day(*days.items(site, 2), site=site) for site in sites for _ in range(3)]
    with ThreadPoolExecutor(8) as pool:
        for landed in [pool.submit(land_day, days.lake, read, source=SOURCE) for read in reads]:
            landed.result()
    assert days.counts == dict.fromkeys(sites, 2)
    assert (days.promised, landed_sites(days.lake, KEY)) == (16, set(sites))


PROCESS = """
import sys
from datetime import UTC, datetime
from pathlib import Path
from sonnys_pipeline.landing.sites.history import land_sites
from sonnys_pipeline.landing.transactions import Source, land_day
from sonnys_pipeline.lake.dataset import Lake
from sonnys_pipeline.calendar.windows import Day
from sonnys_pipeline.extract.state import DayRequest
from sonnys_pipeline_tests.support.scripted_executor import loaded_day
from dataclasses import replace
import pyarrow as pa

folder, site = sys.argv[1:]
def read(site):
    loaded = loaded_day(DayRequest(Day.of("2026-03-10"), site), 5)
    field = loaded.table.schema.field("location_code")
    place = loaded.table.schema.get_field_index("location_code")
    return replace(loaded, table=loaded.table.set_column(place, field, pa.array([site] * 5, field.type)))

reads = [read(f"{site}{number}") for number in range(10)]
for loaded in reads:
    print("ready", flush=True)
    sys.stdin.readline()
    land_day(Lake(Path(folder)), loaded, source=Source("0123456789abcdef"))
"""


def test_processes_lose_no_sites_rows(tmp_path: Path) -> None:
    """Two processes land ten sites each, every one of them at the same moment as the other's."""
    command = [sys.executable, "-c", PROCESS, str(tmp_path / "data")]
    running = [
        subprocess.Popen([*command, site], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for site in ("EAST", "WEST")
    ]
    for _ in range(10):
        for process in running:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
        for process in running:
            assert process.stdin is not None
            process.stdin.write("go\n")
            process.stdin.flush()
    for process in running:
        process.communicate(timeout=120)
        assert process.returncode == 0
    lake = Lake(tmp_path / "data")
    codes = lake.read("transactions", [KEY])["location_code"].to_pylist()
    sites = {f"{site}{number}" for site in ("EAST", "WEST") for number in range(10)}
    assert {code: codes.count(code) for code in codes} == dict.fromkeys(sites, 5)
    assert (promised_rows(lake.metadata("transactions", KEY)), landed_sites(lake, KEY)) == (100, sites)
