"""`client.customers` and `client.employees`, with clock entries."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from urllib.parse import quote

from sonnys_pipeline.client.lists.models import ClockEntry, Customer, CustomerDetail, Employee, EmployeeDetail
from sonnys_pipeline.client.lists.spans import CLOCK_DAYS, cut_days
from sonnys_pipeline.client.models import parse_rows
from sonnys_pipeline.client.resource import Resource, count_copies, read_rows, read_total, required

#: Limit of the list, which is not paged.
_MAX_EMPLOYEES = 100_000
_EMPLOYEES = "/employee"
#: What a week has beside its entries; the hours are sums of theirs.
_WEEK = frozenset({"week", "weekTotalRegularHours", "weekTotalOverTimeHours", "clockEntries"})


class Customers(Resource):
    """`GET /customer` and `GET /customer/{id}`."""

    def list(
        self, *, created_from: date | None = None, modified_until: date | None = None, **params: object
    ) -> list[Customer]:
        """All customers, each once; one request per 100 (RS-01).

        Args:
            created_from: only customers created on this day or later.
            modified_until: only customers that were modified on this day or before, or never.
            **params: `firstName`, `lastName`, `phoneNumber`, `status` (`active` or `inactive`), `site`.

        Raises:
            IncompleteResultError: there are fewer rows than `total` promised.
            UnparsableRowError: a row does not fit `Customer`.
        """
        days = {"startDate": created_from, "endDate": modified_until}
        asked = {name: day.isoformat() for name, day in days.items() if day is not None}
        return self._list_all("/customer", "customers", Customer, {**asked, **params}, lambda one: one.customer_id)

    def count(self, **params: object) -> int:
        """How many customers there are, by one request; `params` in the API's spelling, as for `list`."""
        return self._count("/customer", params)

    def get(self, customer_id: str) -> CustomerDetail:
        """One customer in full; `NotFoundError` if the id is unknown."""
        return self._get_one("/customer", customer_id, CustomerDetail)


class Employees(Resource):
    """`GET /employee`, `GET /employee/{id}` and their clock entries."""

    def list(self, **params: object) -> list[Employee]:
        """All employees, by one request: the list is not paged (RS-01).

        Raises:
            IncompleteResultError: there are other rows than `total` promised, or two different ones have the same id.
            UnparsableRowError: a row does not fit `Employee`.
        """
        where = f"GET {_EMPLOYEES}"
        data = self._data("GET", _EMPLOYEES, params=params)
        rows = read_rows(data, "employees", where, _MAX_EMPLOYEES)
        found = parse_rows(Employee, rows)
        total = read_total(data, rows, where, _MAX_EMPLOYEES)
        count_copies([[one.employee_id for one in found]], total, found.__getitem__, where)
        return list({one.employee_id: one for one in found}.values())

    def get(self, employee_id: str) -> EmployeeDetail:
        """One employee in full; `NotFoundError` if the id is unknown."""
        return self._get_one(_EMPLOYEES, employee_id, EmployeeDetail)

    def clock_entries(self, employee_id: str, *, start: date, end: date) -> list[ClockEntry]:  # type: ignore[valid-type]  # the method `list` hides the type
        """Clock entries of an employee, by time; one request per 14 days (contract, L14).

        An entry that two requests have is there once, as the later one has it. Two entries of one request with the
        same beginning are both there, such as one that was entered again.

        Args:
            employee_id: as in `Employee`.
            start: first day.
            end: last day, included.

        Raises:
            NotFoundError: the id is unknown.
            UnparsableRowError: an entry does not fit `ClockEntry`.
            ValueError: the last day is before the first one.
        """
        found: dict[object, Sequence[ClockEntry]] = {}
        for first, last in cut_days(start, end, CLOCK_DAYS):
            answer: dict[object, Sequence[ClockEntry]] = {}
            for entry in self._entries(employee_id, first, last):
                place = (entry.clock_in, entry.site_code)
                answer[place] = [*answer.get(place, ()), entry]
            found |= answer
        entries = [entry for group in found.values() for entry in group]
        return sorted(entries, key=lambda entry: (str(entry.clock_in), entry.site_code or ""))

    def _entries(self, employee_id: str, first: date, last: date) -> Sequence[ClockEntry]:
        path = f"{_EMPLOYEES}/{quote(employee_id, safe=':')}/clock-entries"
        data = self._data("GET", path, params={"startDate": first.isoformat(), "endDate": last.isoformat()})
        nothing = "weeks" in data and data["weeks"] is None
        weeks = () if nothing else required(data, "weeks", list, f"GET {path}")
        rows = []
        for week in weeks:
            entries = required(week, "clockEntries", list, f"GET {path}")
            added = {f"week.{name}": value for name, value in week.items() if name not in _WEEK}
            whose = {"employeeId": employee_id, "week": week.get("week")}
            rows += [{**entry, **whose, **added} if isinstance(entry, dict) else entry for entry in entries]
        return parse_rows(ClockEntry, rows)
