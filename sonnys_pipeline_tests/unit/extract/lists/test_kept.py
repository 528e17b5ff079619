"""RS-02: answers of a list outlive the process that asked, and no longer than a list stays the same."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from sonnys_pipeline.client import ServerError
from sonnys_pipeline.client.transport import Response
from sonnys_pipeline.extract.lists.kept import LONGEST, READINGS, KeptAnswers
from sonnys_pipeline.extract.lists.policy import ListPolicy
from sonnys_pipeline.extract.pages.pii import Policy, Privacy
from sonnys_pipeline.lake.storage.folder import FolderStorage

NOW = datetime(2026, 11, 27, 7, tzinfo=UTC)
WHOSE = {"account": "digest"}


class Api:
    """Counts what it is asked."""

    def __init__(self) -> None:
        self.asked = 0

    def __call__(self) -> Response:
        self.asked += 1
        return Response(200, b'{"data": {"customers": [{"customerId": "7:1", "firstName": "Ada"}], "total": 1}}')


def opened(folder: Path, now: datetime = NOW, policy: ListPolicy | None = None, account: str = "digest") -> KeptAnswers:
    return KeptAnswers(
        FolderStorage(folder), "customers", policy or ListPolicy(Privacy()), now, {"account": account}
    )  # fmt: skip


def test_an_answer_is_asked_for_once_by_all_processes(tmp_path: Path) -> None:
    """By path and parameters, in any order of these; the reading keeps its beginning."""
    api = Api()
    first = opened(tmp_path)
    answer = first.answer("/customer", {"limit": 100, "offset": 1}, api)
    later = opened(tmp_path, NOW + LONGEST - timedelta(seconds=1))
    assert (later.known, later.begun_at) == (1, NOW)
    again = later.answer("/customer", {"offset": 1, "limit": 100, "site": None}, api)
    assert (again.json(), api.asked) == (answer.json(), 1)
    later.answer("/customer", {"offset": 2, "limit": 100}, api)
    assert api.asked == 2


@pytest.mark.parametrize(
    "other",
    [
        {"now": NOW + LONGEST},
        {"account": "another"},
        {"policy": ListPolicy(Privacy(Policy.DROP))},
        {"policy": ListPolicy(Privacy(), keeps_pay=False)},
    ],
)
def test_an_old_reading_or_one_of_another_policy_begins_anew(tmp_path: Path, other: dict[str, object]) -> None:
    api = Api()
    opened(tmp_path).answer("/customer", {}, api)
    later = opened(tmp_path, **other)  # type: ignore[arg-type] # as named there
    assert (later.known, later.begun_at) == (0, other.get("now", NOW))
    later.answer("/customer", {}, api)
    assert api.asked == 2


def test_nothing_is_left_after_a_reading(tmp_path: Path) -> None:
    kept = opened(tmp_path)
    kept.answer("/customer", {}, Api())
    kept.clear()
    assert FolderStorage(tmp_path).below(tmp_path / READINGS) == []


def test_what_a_policy_removes_is_not_on_disk(tmp_path: Path) -> None:
    """Kept answers are treated before they are written."""
    kept = opened(tmp_path, policy=ListPolicy(Privacy(Policy.DROP)))
    assert b"Ada" not in kept.answer("/customer", {}, Api()).content
    files = list((tmp_path / READINGS).rglob("*.json"))
    assert len(files) == 2
    assert not [path for path in files if b"Ada" in path.read_bytes()]


def test_an_error_is_not_kept(tmp_path: Path) -> None:
    """The next process asks again."""

    def fails() -> Response:
        raise ServerError(500, "ServerUnexpectedFailure", ())

    kept = opened(tmp_path)
    with pytest.raises(ServerError):
        kept.answer("/customer", {}, fails)
    assert opened(tmp_path).known == 0


def test_a_damaged_beginning_begins_anew(tmp_path: Path) -> None:
    """A person has edited it."""
    opened(tmp_path).answer("/customer", {}, Api())
    (tmp_path / READINGS / "customers" / "begun.json").write_text("{")
    assert opened(tmp_path).known == 0
