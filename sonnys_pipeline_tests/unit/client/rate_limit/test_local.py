"""BM-07: the file of a request budget: where it lies, and whose it is."""

import os
from pathlib import Path

import pytest

from sonnys_pipeline.client import RequestBudget, RequestRate


def test_a_relative_file_lies_where_the_process_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Three slashes are a path from here, four from the root."""
    monkeypatch.chdir(tmp_path)
    RequestBudget("id", RequestRate(), "sqlite:///sub/budget.sqlite").close()
    assert (tmp_path / "sub" / "budget.sqlite").exists()


def test_a_folder_may_be_called_anything(tmp_path: Path) -> None:
    """A path is a path, not a URL's: `#`, `?` and `%` in a folder's name do not cut it short."""
    RequestBudget("id", RequestRate(), f"sqlite:///{tmp_path}/c#?%20/budget.sqlite").close()
    assert (tmp_path / "c#?%20" / "budget.sqlite").exists()


def test_files_of_a_budget_are_their_owners(tmp_path: Path) -> None:
    """The file, its lock and SQLite's own files beside it, also under a umask that takes nothing away."""
    before = os.umask(0)
    try:
        with RequestBudget("id-1", RequestRate(2, 15), f"sqlite:///{tmp_path / 'state' / 'budget.sqlite'}") as budget:
            budget.acquire()
            modes = {path.name: path.stat().st_mode & 0o777 for path in (tmp_path / "state").iterdir()}
    finally:
        os.umask(before)
    assert set(modes.values()) == {0o600}
    assert {"budget.sqlite", "budget.sqlite.lock"} <= set(modes)
