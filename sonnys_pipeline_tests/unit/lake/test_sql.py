"""KPIS, `wash` and what a row counts as: the relation that every mart reads, quiet and without the network."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sonnys_pipeline.lake.schema import TRANSACTIONS
from sonnys_pipeline.lake.sql import KPI_INPUT, open_judged, open_rows, open_tables
from sonnys_pipeline_tests.support.tickets import line, rows, ticket

NOON = "2026-03-10T17:00:00Z"


@pytest.mark.parametrize(
    "setting", ["enable_progress_bar", "autoload_known_extensions", "autoinstall_known_extensions"]
)
def test_counting_is_quiet_and_offline(setting: str) -> None:
    """A bar of progress would stand in the output of `--json`; an extension would be fetched from the network."""
    with open_rows(rows()) as connection:
        assert connection.execute("SELECT current_setting($1)", [setting]).fetchone() == (False,)


def test_the_input_named_is_part_of_what_is_landed() -> None:
    """Each column is one of `transactions`, of its type; of the lists, the fields that are read."""
    for field in KPI_INPUT:
        landed = TRANSACTIONS.field(field.name).type
        if not pa.types.is_list(landed):
            assert field.type == landed
            continue
        fields = {part.name: part.type for part in landed.value_type}
        assert {part.name: part.type for part in field.type.value_type}.items() <= fields.items()


def test_own_columns_stay_beside_the_judgement() -> None:
    """Whatever the caller's rows have is still there, with what each row counts as."""
    tickets = rows(ticket(1, NOON), ticket(2, NOON, items=[line("Merchandise")]))
    with open_judged(tickets) as connection:
        found = connection.execute(
            "SELECT id, number, wash, car, retail_wash, recharge, dollars FROM judged"
        ).fetchall()
    assert [(row_id, number, *map(bool, rest[:4])) for row_id, number, *rest in found] == [
        ("1:1", 1, True, True, True, False),
        ("2:1", 2, False, False, False, False),
    ]
    assert [str(row[-1]) for row in found] == ["10.00", "10.00"]


def test_two_readers_at_once_do_not_meet() -> None:
    """Each has views of its own: the same names, other rows."""
    with open_rows(rows(ticket(1, NOON))) as one, open_rows(rows(ticket(2, NOON))) as other:
        assert one.execute("SELECT id FROM transactions").fetchall() == [("1:1",)]
        assert other.execute("SELECT id FROM transactions").fetchall() == [("2:1",)]


def test_nothing_stays_for_the_next_reader(tmp_path: Path) -> None:
    """They share a database, which holds macros only: neither views of files nor the rows in them stay."""
    paths = [tmp_path / f"{number}'s.parquet" for number in (1, 2)]
    for number, path in enumerate(paths):
        pq.write_table(rows(ticket(number, NOON)), path)
    with open_rows(paths[:1]) as one, open_rows(paths[1:]) as other:
        assert one.execute("SELECT id FROM transactions").fetchall() == [("0:1",)]
        assert other.execute("SELECT id FROM transactions").fetchall() == [("1:1",)]
        views = "SELECT view_name FROM duckdb_views() WHERE NOT internal"
        assert len(one.execute(views).fetchall()) > 0
    with open_tables({}) as later:
        assert later.execute(views).fetchall() == []


def test_a_file_that_is_written_again_is_read_again(tmp_path: Path) -> None:
    """Nothing of it is remembered."""
    path = tmp_path / "rows.parquet"
    for number in (1, 2, 3):
        pq.write_table(rows(ticket(number, NOON)), path)
        with open_rows([path]) as connection:
            assert connection.execute("SELECT id FROM transactions").fetchall() == [(f"{number}:1",)]
