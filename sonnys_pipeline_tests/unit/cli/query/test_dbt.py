"""EC-02: `sonnys dbt-sources` prints or writes the file, and needs no settings."""

from pathlib import Path

import yaml
from click.testing import CliRunner

from sonnys_pipeline.cli import main


def test_it_prints_and_writes_the_same(tmp_path: Path) -> None:
    """Only the file is on stdout; the message names dbt's variable."""
    words = ["dbt-sources", "--source", "north", "--key-prefix", "washes/north", "--table", "sites"]

    printed = CliRunner().invoke(main, words)
    written = CliRunner().invoke(main, [*words, "--out", str(tmp_path / "sonnys.yml")])

    assert printed.exit_code == written.exit_code == 0
    assert printed.stdout == (tmp_path / "sonnys.yml").read_text(encoding="utf-8")
    (table,) = yaml.safe_load(printed.stdout)["sources"][0]["tables"]
    assert table["config"]["meta"]["dagster"]["asset_key"] == ["washes", "north", "sites"]
    assert written.stdout == ""
    assert "north_lake" in written.stderr


def test_what_cannot_be_is_refused_in_one_line(tmp_path: Path) -> None:
    """A name that dbt would refuse, a table that is none, a directory that is not there."""
    for words, said in (
        (["--source", "my account"], "no name in dbt"),
        (["--table", "sales"], "sales: no such table"),
        (["--out", str(tmp_path / "not" / "there.yml")], "cannot write"),
    ):
        result = CliRunner().invoke(main, ["dbt-sources", *words])
        assert result.exit_code != 0
        assert said in result.stderr
        assert len(result.stderr.strip().splitlines()) == 1
