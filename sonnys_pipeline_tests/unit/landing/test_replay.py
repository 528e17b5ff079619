"""docs/replay.md, DG-02: days are made once more of their archive, byte for byte, and never of anything older."""

import copy
import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

import pyarrow.compute as pc
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sonnys_pipeline.calendar.windows import Day
from sonnys_pipeline.client import UnparsableRowError
from sonnys_pipeline.extract.pages.pii import Policy, Privacy
from sonnys_pipeline.lake.dataset import Lake
from sonnys_pipeline.lake.errors import OtherSourceError
from sonnys_pipeline.lake.storage.folder import FolderStorage, LakePath
from sonnys_pipeline.lake.transactions import ASSET
from sonnys_pipeline.landing import replay as replaying
from sonnys_pipeline.landing.archive import ARCHIVE
from sonnys_pipeline.landing.replay import NotReplayableError, Outcome, replay, replay_day
from sonnys_pipeline.landing.transactions import Source, land_day
from sonnys_pipeline_tests.conftest import ROW
from sonnys_pipeline_tests.support.archived_days import KEY, read_day

SOURCE = Source("0123456789abcdef")
KEEP, DROP = Privacy(), Privacy(Policy.DROP)
HASH, OTHER_HASH = Privacy(Policy.HASH, b"k" * 16), Privacy(Policy.HASH, b"o" * 16)

MakeRow = Callable[..., dict[str, Any]]


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(tmp_path / "data")


@pytest.fixture
def rows(make_row: MakeRow) -> list[dict[str, Any]]:
    """Seven rows of two sites, so three pages."""
    return [make_row(number, locationCode="MAIN" if number % 2 else "EAST") for number in range(7)]


def content(lake: Lake, asset: str = ASSET) -> bytes:
    return lake.path(asset, KEY).read_bytes()


def replayed(lake: Lake, privacy: Privacy = KEEP) -> bytes:
    """What a replay makes of a day whose file is gone."""
    lake.remove(ASSET, KEY)
    assert replay_day(lake, KEY, privacy).outcome is Outcome.LANDED
    return content(lake)


@pytest.mark.parametrize("privacy", [KEEP, HASH, DROP], ids=lambda privacy: privacy.policy)
def test_a_replayed_day_has_the_same_bytes(lake: Lake, rows: list[dict[str, Any]], privacy: Privacy) -> None:
    """Rows, order, metadata and the instant of loading: the file that is made again is the file that was landed."""
    land_day(lake, read_day(rows, privacy=privacy), source=SOURCE, privacy=privacy)
    before = content(lake)
    assert replayed(lake, privacy) == before


def test_a_day_of_25_hours_is_replayed(lake: Lake, make_row: MakeRow) -> None:
    """Both windows, the empty one too, in the zone that the archive names."""
    day = Day.of("2026-11-01", "America/Chicago")
    land_day(lake, read_day([make_row(1, completeDate="2026-11-01T12:00:00.000Z")], day=day), source=SOURCE)
    before = lake.path(ASSET, day.key).read_bytes()
    lake.remove(ASSET, day.key)
    replay_day(lake, day.key, KEEP)
    assert lake.path(ASSET, day.key).read_bytes() == before


def test_a_day_that_would_be_the_same_is_left_alone(lake: Lake, rows: list[dict[str, Any]]) -> None:
    """Not a byte is written: not even the file's age changes."""
    land_day(lake, read_day(rows), source=SOURCE)
    age = lake.path(ASSET, KEY).stat().st_mtime_ns
    done = replay_day(lake, KEY, KEEP)
    assert (done.outcome, done.rows, done.pages) == (Outcome.UNCHANGED, 7, 3)
    assert lake.path(ASSET, KEY).stat().st_mtime_ns == age


def test_a_damaged_day_is_mended(lake: Lake, rows: list[dict[str, Any]]) -> None:
    """A file that cannot be read is replaced by what it was."""
    land_day(lake, read_day(rows), source=SOURCE)
    before = content(lake)
    lake.path(ASSET, KEY).write_bytes(before[:100])
    assert replay_day(lake, KEY, KEEP).outcome is Outcome.LANDED
    assert content(lake) == before


def test_a_bug_that_was_mended_is_mended_in_landed_days(
    lake: Lake, rows: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Today's reading decides: here it knows more of a page than the code that landed it."""
    land_day(lake, read_day(rows), source=SOURCE)
    parse = replaying.parse_page
    monkeypatch.setattr(
        replaying, "parse_page", lambda job_hash, body: parse(job_hash, body.replace(b"Silver Wash", b"Gold Wash"))
    )
    assert replay_day(lake, KEY, KEEP).outcome is Outcome.LANDED
    items = lake.read(ASSET, [KEY])["items"].combine_chunks().flatten()
    assert set(items.field("name").to_pylist()) == {"Gold Wash"}


READS = st.lists(
    st.one_of(
        st.tuples(st.sampled_from(["EAST", "MAIN", "WEST"]), st.integers(1, 4)),
        st.tuples(st.none(), st.fixed_dictionaries({"EAST": st.integers(0, 3), "MAIN": st.integers(1, 3)})),
    ),
    min_size=1,
    max_size=7,
)


@pytest.mark.no_cover
@settings(max_examples=25)
@given(reads=READS)
def test_whatever_was_read_in_whatever_order_is_replayed(
    tmp_path_factory: pytest.TempPathFactory, reads: list[tuple[str | None, Any]]
) -> None:
    """All sites, one site, one after the other, again: the archive makes the very file that the reads made."""
    lake, ids = Lake(tmp_path_factory.mktemp("lake")), itertools.count()
    for number, (site, counts) in enumerate(reads):
        of_sites = {site: counts} if site else counts
        found = [
            {**copy.deepcopy(dict(ROW)), "id": f"{next(ids)}:1", "locationCode": code}
            for code, count in of_sites.items()
            for _ in range(count)
        ]
        land_day(lake, read_day(found, site=site, number=number), source=SOURCE)
    before = content(lake)
    assert replayed(lake) == before


def test_an_archive_of_an_earlier_read_is_not_landed_over_a_later_one(lake: Lake, rows: list[dict[str, Any]]) -> None:
    """Whatever has become of the later read's pages: what is landed stays."""
    land_day(lake, read_day(rows), source=SOURCE)
    stale = content(lake, ARCHIVE)
    land_day(lake, read_day(rows[:4], number=1), source=SOURCE)
    lake.path(ARCHIVE, KEY).write_bytes(stale)
    before = content(lake)
    with pytest.raises(NotReplayableError, match="the landed day was read at 2026-03-12T07:00"):
        replay_day(lake, KEY, KEEP)
    assert content(lake) == before


def test_an_archive_whose_day_was_never_landed_is(
    lake: Lake, rows: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed between the two files: the archive holds a complete read, and the replay lands that one."""
    put = FolderStorage.put

    def killed(self: FolderStorage, path: LakePath, write: Callable[[BinaryIO], object]) -> int:
        if path == lake.path(ASSET, KEY):
            raise KeyboardInterrupt
        return put(self, path, write)

    with monkeypatch.context() as patched:
        patched.setattr(FolderStorage, "put", killed)
        with pytest.raises(KeyboardInterrupt):
            land_day(lake, read_day(rows, number=1), source=SOURCE)
    assert (lake.has(ASSET, KEY), lake.rows(ARCHIVE, KEY)) == (False, 3)
    assert replay_day(lake, KEY, KEEP).rows == 7
    land_day(lake, read_day(rows, number=1), source=SOURCE)
    assert replay_day(lake, KEY, KEEP).outcome is Outcome.UNCHANGED


@pytest.mark.parametrize("stricter", [HASH, DROP], ids=lambda privacy: privacy.policy)
def test_a_clear_archive_is_brought_under_a_stricter_policy(
    lake: Lake, rows: list[dict[str, Any]], stricter: Privacy
) -> None:
    """Day and archive come to what they would be, had they been read under it; the clear is in neither."""
    land_day(lake, read_day(rows), source=SOURCE)
    assert replay_day(lake, KEY, stricter).outcome is Outcome.LANDED
    treated = content(lake), content(lake, ARCHIVE)
    assert replay_day(lake, KEY, stricter).outcome is Outcome.UNCHANGED
    land_day(lake, read_day(rows, privacy=stricter), source=SOURCE, privacy=stricter)
    assert (content(lake), content(lake, ARCHIVE)) == treated
    assert "Núñez".encode() not in b"".join(lake.read(ARCHIVE, [KEY])["body"].to_pylist())


def test_hashes_can_be_dropped(lake: Lake, rows: list[dict[str, Any]]) -> None:
    """From hash to nothing is a way; the columns are null then."""
    land_day(lake, read_day(rows, privacy=HASH), source=SOURCE, privacy=HASH)
    assert replay_day(lake, KEY, DROP).outcome is Outcome.LANDED
    assert lake.read(ASSET, [KEY])["customer_name"].null_count == 7


@pytest.mark.parametrize(
    ("kept", "asked", "why"),
    [
        (HASH, KEEP, "a hash cannot be reversed"),
        (HASH, OTHER_HASH, "another key"),
        (DROP, KEEP, "dropped"),
        (DROP, HASH, "dropped"),
    ],
)
def test_there_is_no_way_back(lake: Lake, rows: list[dict[str, Any]], kept: Privacy, asked: Privacy, why: str) -> None:
    """What was hashed or dropped cannot be had back: the day is named as failed, and nothing changes."""
    land_day(lake, read_day(rows, privacy=kept), source=SOURCE, privacy=kept)
    before = content(lake), content(lake, ARCHIVE)
    (done,) = replay(lake, [KEY], asked)
    assert (done.outcome, done.error) == (Outcome.FAILED, "NotReplayableError")
    assert why in done.message
    assert (content(lake), content(lake, ARCHIVE)) == before


def test_a_killed_treatment_is_finished_by_the_next_replay(
    lake: Lake, rows: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Archive hashed, day still clear: replaying once more hashes the day, too."""
    land_day(lake, read_day(rows), source=SOURCE)

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(replaying, "write", killed)
        with pytest.raises(KeyboardInterrupt):
            replay_day(lake, KEY, HASH)
    assert (lake.metadata(ARCHIVE, KEY)["pii"], lake.metadata(ASSET, KEY)["pii"]) == ("hash", "keep")
    assert replay_day(lake, KEY, HASH).outcome is Outcome.LANDED
    assert pc.all(pc.starts_with(lake.read(ASSET, [KEY])["customer_name"], "h:")).as_py()


def test_a_day_of_another_account_stays(lake: Lake, rows: list[dict[str, Any]]) -> None:
    """An archive that was copied from elsewhere does not replace what is landed here."""
    land_day(lake, read_day(rows), source=Source("another"))
    foreign = content(lake, ARCHIVE)
    lake.remove(ASSET, KEY)
    land_day(lake, read_day(rows), source=SOURCE)
    lake.path(ARCHIVE, KEY).write_bytes(foreign)
    with pytest.raises(OtherSourceError, match="account"):
        replay_day(lake, KEY, KEEP)


def test_what_becomes_of_one_day_does_not_touch_the_others(
    lake: Lake, make_row: MakeRow, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One was never archived, one is damaged, one is refused by today's models: the fourth is made again."""
    days = ["2026-03-10", "2026-03-11", "2026-03-12", "2026-03-13"]
    for key in days[1:]:
        row = make_row(f"{key}:1", completeDate=f"{key}T12:00:00.000Z")
        land_day(lake, read_day([row], day=Day.of(key)), source=SOURCE)
    lake.path(ARCHIVE, days[1]).write_bytes(b"PAR1")
    parse = replaying.parse_page

    def picky(job_hash: str, body: bytes) -> Any:
        if days[2].encode() in body:
            raise UnparsableRowError(f"{days[2]}:1", "total", "is too old", [], job_hash)
        return parse(job_hash, body)

    monkeypatch.setattr(replaying, "parse_page", picky)
    done = {day.day: day for day in replay(lake, days, KEEP)}
    assert [day.outcome for day in done.values()] == [
        Outcome.MISSING, Outcome.FAILED, Outcome.FAILED, Outcome.UNCHANGED,
    ]  # fmt: skip
    assert [day.error for day in done.values()] == ["", "LakeError", "UnparsableRowError", ""]
    assert lake.rows(ASSET, days[2]) == 1


def test_it_can_be_stopped_between_two_days(lake: Lake, rows: list[dict[str, Any]]) -> None:
    """What is done is done; nothing more is begun."""
    land_day(lake, read_day(rows), source=SOURCE)
    answers = iter([False, True])
    done = list(replay(lake, [KEY, KEY], KEEP, is_stopped=lambda: next(answers)))
    assert len(done) == 1
