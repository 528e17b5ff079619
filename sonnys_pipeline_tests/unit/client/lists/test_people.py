"""RS-01: answers about employees that are odd or not whole."""

from collections.abc import Mapping
from datetime import date
from typing import Any

import pytest
from pydantic_core import to_json

from sonnys_pipeline.client import IncompleteResultError, ResponseFormatError, UnparsableRowError
from sonnys_pipeline.client.lists.people import Employees
from sonnys_pipeline.client.models import unknown_fields
from sonnys_pipeline.client.transport import Response


class Scripted:
    """A client that gives the same answer to every request."""

    max_retries, hash_lifetime = 0, 1200.0

    def __init__(self, data: Mapping[str, Any]) -> None:
        self.data = data
        self.asked: list[tuple[str, Mapping[str, Any] | None]] = []

    def _request(self, method: str, path: str, *, params: Mapping[str, Any] | None = None) -> Response:
        self.asked.append((path, params))
        return Response(200, to_json({"data": self.data}), where=f"{method} {path}")


def entry(at: str = "2026-05-19T12:00:00.000Z", **fields: Any) -> dict[str, Any]:
    return {"clockIn": at, "siteCode": "MAIN", "regularHours": 4, **fields}


def test_employees_that_are_missing_from_the_list_are_an_error() -> None:
    """The list is not paged, so nothing else would notice."""
    rows = [{"employeeId": 1, "firstName": "Ada", "lastName": "Lovelace"}]
    assert len(Employees(Scripted({"employees": rows, "total": 1})).list()) == 1
    assert Employees(Scripted({"employees": None, "total": None})).list() == []
    other = {"employeeId": 1, "firstName": "Grace", "lastName": "Hopper"}
    for listed, total in ((rows, 2), ([*rows, other], 2), ([*rows, {"employeeId": 2}], 1)):
        with pytest.raises(IncompleteResultError):
            Employees(Scripted({"employees": listed, "total": total})).list()
    assert len(Employees(Scripted({"employees": [*rows, *rows], "total": 2})).list()) == 1


@pytest.mark.parametrize("data", [{"weeks": []}, {"weeks": None}, {"weeks": [{"week": "w", "clockEntries": []}]}])
def test_a_fortnight_without_work_has_no_entries(data: dict[str, Any]) -> None:
    assert Employees(Scripted(data)).clock_entries("1", start=date(2026, 5, 1), end=date(2026, 5, 14)) == []


def test_an_entry_that_two_fortnights_have_is_there_once() -> None:
    """A shift over midnight, where two requests meet."""
    client = Scripted({"weeks": [{"week": "w", "clockEntries": [entry(), entry(siteCode="NOVA")]}]})
    entries = Employees(client).clock_entries("7", start=date(2026, 5, 1), end=date(2026, 5, 28))
    assert [one.site_code for one in entries] == ["MAIN", "NOVA"]
    assert [params for _, params in client.asked] == [
        {"startDate": "2026-05-01", "endDate": "2026-05-14"}, {"startDate": "2026-05-15", "endDate": "2026-05-28"},
    ]  # fmt: skip


def test_two_entries_with_the_same_beginning_are_both_there() -> None:
    """An entry that was typed in twice, or again with another end, is for a person to see."""
    corrected = [entry(clockOut="2026-05-19T16:00:00Z"), entry(clockOut="2026-05-19T20:00:00Z")]
    client = Scripted({"weeks": [{"week": "w", "clockEntries": corrected}]})
    entries = Employees(client).clock_entries("7", start=date(2026, 5, 1), end=date(2026, 5, 28))
    assert [one.clock_out and one.clock_out.hour for one in entries] == [16, 20]


@pytest.mark.parametrize("odd", [None, "entry", 7, []])
def test_an_entry_that_is_no_object_is_an_error(odd: object) -> None:
    """One of the client's own, which names the row."""
    client = Scripted({"weeks": [{"week": "w", "clockEntries": [entry(), odd]}]})
    with pytest.raises(UnparsableRowError):
        Employees(client).clock_entries("7", start=date(2026, 5, 1), end=date(2026, 5, 1))


def test_fields_of_weeks_and_entries_that_nobody_knows_are_kept() -> None:
    week = {"week": "w", "approvedBy": "Sam", "weekTotalRegularHours": 4, "clockEntries": [entry(badge=1)]}
    (found,) = Employees(Scripted({"weeks": [week]})).clock_entries("7", start=date(2026, 5, 1), end=date(2026, 5, 1))
    assert unknown_fields([found]) == {"badge": 1, "week.approvedBy": 1}
    assert (found.employee_id, found.week, found.regular_hours) == ("7", "w", 4.0)


@pytest.mark.parametrize("data", [{}, {"weeks": {}}, {"weeks": [{"week": "w"}]}, {"weeks": ["w"]}])
def test_an_answer_of_another_shape_is_an_error(data: dict[str, Any]) -> None:
    with pytest.raises(ResponseFormatError):
        Employees(Scripted(data)).clock_entries("7", start=date(2026, 5, 1), end=date(2026, 5, 1))


def test_an_id_cannot_lead_to_another_path() -> None:
    client = Scripted({"employeeId": 1})
    Employees(client).get("../transaction")
    assert client.asked[0][0] == "/employee/..%2Ftransaction"
