"""Endpoints for items, customers, employees, accounts, gift cards and sales outcomes.

Sources: contract, "Lists", L11 to L15; the vendor's document for names and ranges.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import TypeVar

from pydantic_core import to_json
from starlette.requests import Request

from sonnys_pipeline.simulator.api.access import SITE_HEADER, AccessControl
from sonnys_pipeline.simulator.api.answers import Answer, Handler, list_answer
from sonnys_pipeline.simulator.api.errors import ONE_SITE_ONLY, ApiError
from sonnys_pipeline.simulator.api.queries import Query, first_of_last_month
from sonnys_pipeline.simulator.clock import SimulatorClock
from sonnys_pipeline.simulator.config import Account, SimulatorConfig
from sonnys_pipeline.simulator.world import menu
from sonnys_pipeline.simulator.world.accounts.life import Membership, StatusChange
from sonnys_pipeline.simulator.world.chain import World
from sonnys_pipeline.simulator.world.customers import Customer, Customers
from sonnys_pipeline.simulator.world.memberships import MODIFICATIONS, STATUSES, Memberships
from sonnys_pipeline.simulator.world.prepaid import Prepaid
from sonnys_pipeline.simulator.world.row_parts import Row
from sonnys_pipeline.simulator.world.staff import Staff

MAX_CLOCK_DAYS = 14
_Found = TypeVar("_Found")


class Resources:
    """Answers for one chain, as functions of the seed and the simulated present."""

    def __init__(self, config: SimulatorConfig, world: World, clock: SimulatorClock, access: AccessControl) -> None:
        self._live = config.api == "live"
        self._any_age = config.old_accounts_listed
        self._lists_need_site = config.lists_need_site
        self._world = world
        self._clock = clock
        self._access = access
        self._sites = [site for site in world.sites if site.timezone and site.code]
        members = config.accounts_per_site
        self._customers = Customers(
            config.seed, self._sites, live=self._live, members=members, at_first=config.customers_per_site
        )
        self._memberships = Memberships(config.seed, world.books, live=self._live)
        self._prepaid = Prepaid(world.prepaid_books, live=self._live, members=members)
        self._staff = Staff(config.seed, self._sites, live=self._live, own_per_site=config.employees_per_site)

    def handlers(self) -> Mapping[str, Handler]:
        """The handler of each path, all for GET."""
        return {
            "/item": self._items,
            "/customer": self._customer_list,
            "/customer/{customer_id}": self._customer,
            "/employee": self._employee_list,
            "/employee/{employee_id}": self._employee,
            "/employee/{employee_id}/clock-entries": self._clock_entries,
            "/recurring/account/list": self._recurring_list,
            "/recurring/account/details/list": self._recurring_details,
            "/recurring/account/status-list": self._status_list,
            "/recurring/account/modifications": self._modifications,
            "/recurring/account/{account_id}/detail": self._recurring,
            "/washbook/account/list": self._washbook_list,
            "/washbook/account/{account_id}/detail": self._washbook,
            "/giftcard-liablilty": self._giftcards,
            "/sales-outcome/list": self._outcomes,
        }

    def _items(self, request: Request, account: Account) -> Answer:
        query, codes = self._query(request), self._codes(request, account)
        department = query.choice("departmentName", menu.DEPARTMENT_NAMES)
        if self._lists_need_site and not query.text("site") and self._access.sees_several(account):
            query.refuse(ONE_SITE_ONLY)
        page = query.page()
        query.check()
        found = menu.items(self._sites, codes, department, self._world.prices, live=self._live)
        return self._list("items", found, page, lambda item: item)

    def _customer_list(self, request: Request, account: Account) -> Answer:
        query, codes = self._query(request), self._codes(request, account)
        first, last = query.days(None)
        status = query.choice("status", ("active", "inactive"))
        names = (query.text("firstName").casefold(), query.text("lastName").casefold())
        phone = query.text("phoneNumber")[-10:]  # with or without the country's 1
        page = query.page()
        query.check()

        def wanted(customer: Customer) -> bool:
            modified = customer.modified if customer.is_modified(query.now) else None
            return (
                (first is None or customer.created.date() >= first)
                and (last is None or modified is None or modified.date() <= last)
                and (not status or customer.is_active(query.now) == (status == "active"))
                and (not names[0] or customer.first_name.casefold().startswith(names[0]))
                and (not names[1] or customer.last_name.casefold().startswith(names[1]))
                and (not phone or customer.phone(query.now) == phone)
            )

        found = [customer for customer in self._customers.all(codes, query.now) if wanted(customer)]
        return self._list("customers", found, page, lambda customer: self._customers.listed(customer, query.now))

    def _customer(self, request: Request, account: Account) -> Answer:
        now, codes = self._clock.now(), self._codes(request, account)
        found = self._customers.find(request.path_params["customer_id"], now)
        if found is None or found.site_code not in codes:
            raise ApiError("EntityNotFoundError", "The customer was not found.")
        return _one(self._customers.detail(found, now))

    def _employee_list(self, request: Request, account: Account) -> Answer:
        """The list is not paged."""
        self._codes(request, account)
        rows = [self._staff.listed(employee) for employee in self._staff.employees]
        return list_answer("employees", rows, page=1, limit=len(rows), total=len(rows), live=self._live)

    def _employee(self, request: Request, account: Account) -> Answer:
        self._codes(request, account)
        found = self._staff.find(request.path_params["employee_id"])
        if found is None:
            raise ApiError("EntityNotFoundError", "The employee was not found.")
        return _one(self._staff.detail(found))

    def _clock_entries(self, request: Request, account: Account) -> Answer:
        """No site parameter: each entry has its site (L14)."""
        query = self._query(request)
        self._access.visible_sites(account, request.headers.get(SITE_HEADER), None)
        first, last = query.days(MAX_CLOCK_DAYS, unix=True)
        query.check()
        found = self._staff.find(request.path_params["employee_id"])
        if found is None:
            raise ApiError("EntityNotFoundError", "The employee was not found.")
        longest = timedelta(days=MAX_CLOCK_DAYS - 1)
        end: date = last or (min(first + longest, query.now.date()) if first else query.now.date())
        return _one({"weeks": self._staff.weeks(found, first or end - longest, end, query.now)})

    def _recurring_list(self, request: Request, account: Account) -> Answer:
        return self._accounts(request, account, 6, self._memberships.listed)

    def _recurring_details(self, request: Request, account: Account) -> Answer:
        return self._accounts(request, account, 1, self._memberships.detail)

    def _accounts(
        self, request: Request, account: Account, months: int, shape: Callable[[Membership, datetime], Row]
    ) -> Answer:
        query, codes = self._query(request), self._codes(request, account)
        start, end = query.period(months, default_start=first_of_last_month(query.now), any_age=self._any_age)
        status = query.choice("recurringAccountStatus", [str(number) for number in range(1, len(STATUSES) + 1)])
        page = query.page()
        query.check()
        customer_id = query.text("customerId")
        found = [
            known
            for known in self._memberships.signed_up(codes, start, end)
            if known.signed_up <= query.now
            and (not status or known.status(query.now) == STATUSES[int(status) - 1])
            and customer_id in ("", known.customer_id)
        ]
        return self._list("accounts", found, page, lambda known: shape(known, query.now))

    def _status_list(self, request: Request, account: Account) -> Answer:
        query, codes = self._query(request), self._codes(request, account)
        midnight = query.now.replace(hour=0, minute=0, second=0, microsecond=0)
        start, end = query.period(None, default_start=midnight, any_age=True)
        status = query.choice("recurringAccountStatus", [str(number) for number in range(1, len(STATUSES) + 1)])
        page = query.page(least=100, most=1000, default=100)
        query.check()
        found = self._memberships.changed(codes, start, min(end, query.now))
        if status:
            found = [change for change in found if change[1].new == STATUSES[int(status) - 1]]
        return self._list("accounts", found, page, lambda change: self._memberships.status_change(*change))

    def _modifications(self, request: Request, account: Account) -> Answer:
        query, codes = self._query(request), self._codes(request, account)
        start, end = query.period(6, default_start=first_of_last_month(query.now))
        kind = query.choice("modifications", [str(number) for number in range(1, len(MODIFICATIONS) + 1)])
        page = query.page()
        query.check()
        if query.text("sites"):
            named = {code.strip().casefold() for code in query.text("sites").split(",")}
            codes = frozenset(code for code in codes if code.casefold() in named)
        changes: dict[str, tuple[Membership, list[StatusChange]]] = {}
        if not kind or MODIFICATIONS[int(kind) - 1] == "Account Status Changed":
            for known, change in self._memberships.changed(codes, start, end):
                if change.at > query.now:
                    break
                changes.setdefault(known.id, (known, []))[1].append(change)
        return self._list(
            "accounts", list(changes.values()), page, lambda found: self._memberships.modified(*found, query.now)
        )

    def _recurring(self, request: Request, account: Account) -> Answer:
        now, codes = self._clock.now(), self._codes(request, account)
        found = self._memberships.find(request.path_params["account_id"], now)
        if found is None or found.site.code not in codes:
            raise ApiError("EntityNotFoundError", "The account was not found.")
        return _one(self._memberships.detail(found, now))

    def _washbook_list(self, request: Request, account: Account) -> Answer:
        query, codes = self._query(request), self._codes(request, account)
        start, end = query.period(6, default_start=first_of_last_month(query.now))
        status = query.choice("accountStatus", ("active", "inactive"))
        page = query.page()
        query.check()
        customer_id = query.text("customerId")
        found = [
            one
            for one in self._prepaid.washbooks(codes, start, min(end, query.now))
            if (not status or self._prepaid.washbook_status(one, query.now).casefold() == status)
            and (not customer_id or self._prepaid.customer_id(one) == customer_id)
        ]
        return self._list("accounts", found, page, lambda one: self._prepaid.listed_washbook(one, query.now))

    def _washbook(self, request: Request, account: Account) -> Answer:
        now, codes = self._clock.now(), self._codes(request, account)
        found = self._prepaid.find_washbook(request.path_params["account_id"], now)
        if found is None or found.site.code not in codes:
            raise ApiError("EntityNotFoundError", "The account was not found.")
        return _one(self._prepaid.washbook_detail(found, now))

    def _giftcards(self, request: Request, account: Account) -> Answer:
        query, codes = self._query(request), self._codes(request, account)
        midnight = query.now.replace(hour=0, minute=0, second=0, microsecond=0)
        start, end = query.period(6, default_start=midnight)
        page = query.page()
        query.check()
        number = query.text("prepaidNumber")
        found = [
            card
            for card in self._prepaid.giftcards(codes, start, min(end, query.now))
            if number in ("", card.reference)
        ]
        return self._list("giftcards", found, page, lambda card: self._prepaid.giftcard(card, query.now))

    def _outcomes(self, request: Request, account: Account) -> Answer:
        query, codes = self._query(request), self._codes(request, account)
        first, last = query.days(184)
        page = query.page(most=500, default=500)
        query.check()
        today = query.now.date()
        end = min(last or today, today)
        found = self._staff.outcomes(codes, first or (last or today), end, query.now)
        return self._list("sales", found, page, lambda row: row)

    # Parts of an answer.

    def _query(self, request: Request) -> Query:
        return Query(request.query_params, self._clock.now())

    def _codes(self, request: Request, account: Account) -> frozenset[str]:
        header, argument = request.headers.get(SITE_HEADER), request.query_params.get("site")
        return self._access.visible_sites(account, header, argument)

    def _list(
        self, name: str, found: Sequence[_Found], place: tuple[int, int], shape: Callable[[_Found], Row]
    ) -> Answer:
        page, limit = place
        rows = [shape(one) for one in found[(page - 1) * limit : page * limit]]
        return list_answer(name, rows, page=page, limit=limit, total=len(found), live=self._live)


def _one(row: Row) -> Answer:
    return Answer(200, to_json({"data": row}))
