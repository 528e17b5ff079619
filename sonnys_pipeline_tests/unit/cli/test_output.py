"""What the command line prints acts on no terminal, whatever stands in it: lines, tables, JSON, refusals."""

import io
import json

import click
import pytest
from rich.table import Table

from sonnys_pipeline.cli.output import Refusal, Screen, print_json

EVIL = "\x1b[2J\x1b]8;;https://evil.test\x1b\\MAIN\x9b1m\u202e\x07"


def acts(text: str) -> bool:
    """Whether anything in a text but line ends is no printable character."""
    return not text.replace("\n", "").isprintable()


@pytest.mark.parametrize("markup", [True, False])
def test_lines_and_cells_act_on_nothing(markup: bool) -> None:
    """A site, a row's id, an error of a server: in a line, in a cell, in a title."""
    out = io.StringIO()
    screen = Screen(file=out, width=300, markup=markup, highlight=False)
    table = Table("site", title=EVIL)
    table.add_row(EVIL)
    screen.print(table)
    screen.print(f"site {EVIL}\nsecond line")
    assert not acts(out.getvalue())
    assert out.getvalue().count(r"\x1b[2J") == 3
    assert out.getvalue().endswith("\nsecond line\n")


def test_json_acts_on_nothing_and_says_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    """Escaped as JSON escapes; letters of any script as they are."""
    document = {"site": EVIL, "half": "\ud83d", "name": "José 李娜 😀"}
    print_json(document)
    printed = capsys.readouterr().out
    assert not acts(printed)
    assert json.loads(printed) == document
    assert "José 李娜 😀" in printed


def test_a_refusal_is_one_line_that_acts_on_nothing() -> None:
    """And has nobody's password."""
    refusal = Refusal(f"lake {EVIL}\nat postgresql://bob:hunter2@db", 2)
    assert isinstance(refusal, click.ClickException)
    assert refusal.message.isprintable()
    assert "hunter2" not in refusal.message
