"""Every kind of sale of a car wash, in the wire format of `get-job-data`.

Money is computed in cents and written in dollars. In every row the tenders' `total` add up to the row's `total`, and so
do `gross - discount + tax` of the items that are not voided (`gross` includes `additionalFee`), except for
overpayments: there `total` is what was paid (L9).

Sources: contract, "A row"; the vendor's TransactionListJobObject.
"""

from __future__ import annotations

import random
from bisect import bisect
from collections.abc import Callable
from itertools import accumulate

from sonnys_pipeline.simulator.world.accounts.book import Agenda
from sonnys_pipeline.simulator.world.accounts.life import Membership
from sonnys_pipeline.simulator.world.accounts.prepaid import PrepaidItem
from sonnys_pipeline.simulator.world.catalog import (
    ADD_ONS,
    DEVICES,
    EMPLOYEES,
    FREE_WASH,
    MERCHANDISE,
    ONLINE_DEVICES,
    PLAN_UPGRADE,
    PLANS,
    PREPAID,
    PROMOTION_DEPARTMENT,
    PROMOTIONS,
    RECURRING_READERS,
    WASHES,
    Product,
    Promotion,
    SiteSpec,
    Wash,
)
from sonnys_pipeline.simulator.world.row_parts import (
    Row,
    Ticket,
    card_tender,
    discount,
    item,
    member_name,
    member_plate,
    plan_product,
    tax_on,
    tender,
    wash_item,
)

V2_FIELDS = ("isRecurringPlanSale", "isRecurringPlanRedemption", "transactionStatus")
"""Fields of `get-job-data` and `version-2` only, which live rows often lack."""

UNFINISHED = ("Incomplete", "Suspended", "In-Progress")
"""Status of tickets that are completed later."""

_CODE = ("Prepaid Wash", "Code")
_ONLINE_SHARE = 0.3
"""Of plan sales and prepaid sales."""
_WASH_WEIGHTS = tuple(accumulate((34, 22, 20, 15, 9)))


class TransactionWriter:
    """Generates sales of one site and day from `rng`; `live` selects the profile (see `World`).

    With an `agenda`, plans, washbooks and gift cards are sold and used as is agreed, and those who wash as members are
    active; without it, the site has no accounts, and any of its `members` is a member.
    """

    def __init__(
        self,
        site: SiteSpec,
        rng: random.Random,
        *,
        live: bool = True,
        agenda: Agenda | None = None,
        members: int = 1500,
    ) -> None:
        self.agenda = agenda
        self._members = members
        self._site = site
        self._live = live
        self._rng = rng
        self._draw = rng.random
        self._tax = 0 if site.is_virtual else site.tax_basis_points
        kinds: tuple[tuple[int, Callable[[], Ticket]], ...] = (
            (470, self._member_wash),
            (300, self._retail_wash),
            (45, self._prepaid_redemption),
            (35, self._prepaid_sale),
            (28, self._plan_sale),
            (25, self._merchandise_sale),
            (20, self._house_account_wash),
            (15, self._split_tender_wash),
            (13, self._free_wash),
            (10, self._rewash),
            (8, self._wash_return),
            (7, self._voided_wash),
            (5, self._replaced_tender_wash),
            (4, self._plan_upgrade),
            (2, self._unfinished_wash),
        )
        if live:
            kinds += ((6, self._overpaid_wash),)
        if site.is_virtual:
            kinds = ((60, self._prepaid_sale), (40, self._plan_sale))
        elif agenda is not None:
            agreed = (self._plan_sale, self._prepaid_sale, self._prepaid_redemption)
            kinds = tuple(kind for kind in kinds if kind[1] not in agreed)
            kinds += ((7, self._code_sale), (15, self._code_redemption))
        self._thresholds = tuple(accumulate(weight for weight, _ in kinds))
        self._builders = tuple(builder for _, builder in kinds)

    def car(self, stamp: str, sequence: int, number: int) -> Row:
        """One transaction at the till; arguments as for `_row`."""
        kind = bisect(self._thresholds, self._draw() * self._thresholds[-1])
        return self._row(self._builders[kind](), stamp, sequence, number)

    def payment(self, stamp: str, sequence: int, number: int) -> Row:
        """One recurring payment of a member of a site without accounts; arguments as for `_row`."""
        return self._row(self._recurring_payment(self._member()), stamp, sequence, number)

    def plan_sale(self, account: Membership, stamp: str, sequence: int, number: int) -> Row:
        """The sign-up of an account; other arguments as for `_row`."""
        return self._row(self._plan_sale_to(account.member), stamp, sequence, number)

    def prepaid_sale(self, item: PrepaidItem, stamp: str, sequence: int, number: int) -> Row:
        """The sale of a washbook or gift card; other arguments as for `_row`."""
        ticket = self._sale_of(item.product)
        ticket.member = item.holder(self._members)
        return self._row(ticket, stamp, sequence, number)

    def prepaid_use(self, item: PrepaidItem, wash: Wash, stamp: str, sequence: int, number: int) -> Row:
        """A wash that a washbook or gift card pays; other arguments as for `_row`."""
        kind = "Giftcard" if item.product.department == "GiftCard" else "Washbook"
        ticket = self._redeemed(wash, tender("Prepaid", kind, wash.price, reference=item.reference))
        ticket.member = item.holder(self._members)
        return self._row(ticket, stamp, sequence, number)

    def charge(self, account: Membership, stamp: str, sequence: int, number: int) -> Row:
        """A recurring payment of an account; other arguments as for `_row`."""
        return self._row(self._recurring_payment(account.member), stamp, sequence, number)

    def _row(self, ticket: Ticket, stamp: str, sequence: int, number: int) -> Row:
        """`stamp`: the time on the wire; `sequence`: makes the id unique at the site; `number`: the ticket's."""
        draw, site = self._draw, self._site
        # Unset strings of the live API are "" or null.
        unset = "" if draw() < 0.5 else None
        member = ticket.member
        attended = draw() < 0.6 and not ticket.recurring_payment and not ticket.online
        row: Row = {
            "id": f"{sequence}:{site.site_id}",
            "number": number,
            "type": ticket.kind,
            "completeDate": stamp,
            "locationCode": site.code,
            "salesDeviceName": self._device(ticket),
            "total": ticket.total / 100,
            "tenders": ticket.tenders,
            "items": ticket.items,
            "customerName": unset if member is None else member_name(member),
            "customerId": unset if member is None else f"{member + 1}:{site.site_id}",
            "vehicleLicensePlate": member_plate(member) if member is not None else unset,
            "employeeCashier": EMPLOYEES[int(draw() * 6)] if attended else unset,
            "employeeGreeter": EMPLOYEES[int(draw() * 6)] if attended and draw() < 0.4 else unset,
            "discount": ticket.discounts,
            "isRecurringPayment": ticket.recurring_payment,
            "isRecurringRedemption": ticket.recurring_redemption,
            "isRecurringSale": ticket.recurring_sale,
            "isPrepaidRedemption": ticket.prepaid_redemption,
            "isPrepaidSale": ticket.prepaid_sale,
        }
        if self._live:
            row["isRecurringPlanSale"] = ticket.plan_sale
            row["isRecurringPlanRedemption"] = ticket.recurring_redemption
            row["transactionStatus"] = ticket.status
            return row
        missing = draw()
        # Plan sales always keep their flags, which distinguish an upgrade from other sales.
        if missing > 0.12 or ticket.plan_sale:
            row["isRecurringPlanSale"] = ticket.plan_sale
            row["isRecurringPlanRedemption"] = ticket.recurring_redemption
            if missing > 0.17 or ticket.status != "Completed":
                row["transactionStatus"] = ticket.status
        elif ticket.status != "Completed":
            row["transactionStatus"] = ticket.status
        elif missing < 0.04:
            del row["customerId"]
        return row

    def _device(self, ticket: Ticket) -> str:
        if ticket.recurring_payment:
            return "BILLING"
        devices = ONLINE_DEVICES if ticket.online else DEVICES
        return devices[int(self._draw() * len(devices))]

    def _is_online(self) -> bool:
        return self._live and (self._site.is_virtual or self._draw() < _ONLINE_SHARE)

    # Kinds of sale.

    def _member_wash(self) -> Ticket:
        member = self._active_member()
        wash = PLANS[member % 4].wash
        reader = RECURRING_READERS[int(self._draw() * 4)]
        paid = tender("Prepaid", reader, wash.price, reference=f"{4_000_000 + member}")
        return Ticket(wash.price, [wash_item(wash)], [paid], member=member, recurring_redemption=True)

    def _retail_wash(self) -> Ticket:
        promotion = PROMOTIONS[int(self._draw() * 3)] if self._draw() < 0.14 else None
        ticket = self._wash_sale(promotion=promotion)
        ticket.tenders = self._pay(ticket.total)
        return ticket

    def _split_tender_wash(self) -> Ticket:
        ticket = self._wash_sale()
        cash = 500
        rest = self._card(ticket.total - cash)
        ticket.tenders = [tender("Cash", self._unset(), cash), rest]
        return ticket

    def _replaced_tender_wash(self) -> Ticket:
        """A voided card, then cash: a Void tender in a completed sale."""
        ticket = self._wash_sale(add_ons=False)
        ticket.tenders = [
            self._card(ticket.total),
            tender("Void", self._unset(), -ticket.total),
            self._cash(ticket.total),
        ]
        return ticket

    def _house_account_wash(self) -> Ticket:
        wash = self._wash()
        kind = "House Account Card" if self._draw() < 0.5 else "House Account RFID"
        paid = tender("Paid On Account", kind, wash.price, reference=f"HA{int(self._draw() * 40):03d}")
        return Ticket(wash.price, [wash_item(wash)], [paid])

    def _free_wash(self) -> Ticket:
        wash = self._wash()
        tenders = [tender("Coupon", "Code", 0)] if self._draw() < 0.5 else []
        discounts = [discount(FREE_WASH, wash.name, wash.price, self._discount_field())]
        items = [wash_item(wash, off=wash.price)]
        if self._live:
            items.append(item(FREE_WASH.name, FREE_WASH.sku, PROMOTION_DEPARTMENT, 0))
        return Ticket(0, items, tenders, discounts=discounts)

    def _rewash(self) -> Ticket:
        wash = self._wash()
        return Ticket(0, [item(f"Rewash {wash.name}", wash.sku, "Wash", 0)], [], kind="Rewash")

    def _wash_return(self) -> Ticket:
        ticket = self._wash_sale(add_ons=False, sign=-1)
        ticket.kind = "Return"
        ticket.tenders = [tender("Cash", self._unset(), ticket.total)]
        return ticket

    def _voided_wash(self) -> Ticket:
        ticket = self._wash_sale()
        for line in ticket.items:
            line["isVoided"] = True
        ticket.tenders = [self._card(ticket.total), tender("Void", self._unset(), -ticket.total)]
        ticket.total = 0
        ticket.status = "Voided"
        return ticket

    def _overpaid_wash(self) -> Ticket:
        """More cash than the price (also with `additionalFee` on top), no change: the total is what was paid (L9)."""
        ticket = self._wash_sale(add_ons=False)
        fee = round(sum(line["additionalFee"] for line in ticket.items) * 100)
        ticket.total = ((ticket.total + fee) // 500 + 1) * 500
        ticket.tenders = [tender("Cash", self._unset(), ticket.total)]
        return ticket

    def _unfinished_wash(self) -> Ticket:
        ticket = self._retail_wash()
        ticket.status = UNFINISHED[int(self._draw() * 3)]
        return ticket

    def _plan_sale(self) -> Ticket:
        return self._plan_sale_to(self._member())

    def _plan_sale_to(self, member: int) -> Ticket:
        plan = PLANS[member % 4]
        ticket = self._product_sale(plan_product(plan))
        ticket.online = self._is_online()
        if not self._site.is_virtual and not ticket.online and self._draw() < 0.7:
            ticket.items.append(item(plan.wash.name, plan.wash.sku, "Wash", 0))
        ticket.tenders = [self._card(ticket.total)]
        ticket.member, ticket.recurring_sale, ticket.plan_sale = member, True, True
        return ticket

    def _plan_upgrade(self) -> Ticket:
        """A member moves to a dearer plan: a plan sale, but no new membership."""
        member = self._active_member()
        ticket = self._product_sale(PLAN_UPGRADE)
        ticket.tenders = [self._card(ticket.total)]
        ticket.member, ticket.plan_sale = member, True
        return ticket

    def _recurring_payment(self, member: int) -> Ticket:
        ticket = self._product_sale(plan_product(PLANS[member % 4]))
        ticket.tenders = [self._card(ticket.total)]
        ticket.member, ticket.recurring_payment = member, True
        return ticket

    def _prepaid_sale(self) -> Ticket:
        return self._sale_of(PREPAID[int(self._draw() * len(PREPAID))])

    def _code_sale(self) -> Ticket:
        return self._sale_of(PREPAID[-1])

    def _sale_of(self, product: Product) -> Ticket:
        line = item(product.name, product.sku, product.department, product.price)
        return Ticket(product.price, [line], [self._card(product.price)], prepaid_sale=True, online=self._is_online())

    def _prepaid_redemption(self) -> Ticket:
        kind = (("Prepaid", "Washbook"), ("Prepaid", "Giftcard"), _CODE)[int(self._draw() * 3)]
        return self._redemption(kind)

    def _code_redemption(self) -> Ticket:
        return self._redemption(_CODE)

    def _redemption(self, kind: tuple[str, str]) -> Ticket:
        wash = self._wash()
        return self._redeemed(wash, tender(*kind, wash.price, reference=f"{int(self._draw() * 9e9 + 1e9)}"))

    def _redeemed(self, wash: Wash, paid: Row) -> Ticket:
        return Ticket(wash.price, [wash_item(wash)], [paid], prepaid_redemption=True)

    def _merchandise_sale(self) -> Ticket:
        product = MERCHANDISE[int(self._draw() * len(MERCHANDISE))]
        ticket = self._product_sale(product, quantity=2 if self._draw() < 0.15 else 1)
        ticket.tenders = self._pay(ticket.total)
        return ticket

    # Parts of a sale.

    def _wash_sale(self, *, add_ons: bool = True, promotion: Promotion | None = None, sign: int = 1) -> Ticket:
        """A taxed wash, perhaps with an add-on; the caller adds the tenders."""
        wash = self._wash()
        off, discounts = 0, []
        if promotion is not None:
            off = min(promotion.off, wash.price)
            discounts = [discount(promotion, wash.name, off, self._discount_field())]
        tax = self._tax_on(wash.price - off) * sign
        total = (wash.price - off) * sign + tax
        items = [wash_item(wash, off=off, tax=tax, sign=sign)]
        chance = self._draw()
        if add_ons and chance < 0.15:
            extra = self._product_sale(ADD_ONS[int(chance * 20)])
            items += extra.items
            total += extra.total
        return Ticket(total, items, [], discounts=discounts)

    def _product_sale(self, product: Product, *, quantity: int = 1) -> Ticket:
        """A taxed sale of one product; the caller adds the tenders."""
        gross = product.price * quantity
        tax = self._tax_on(gross)
        line = item(product.name, product.sku, product.department, gross, tax=tax, quantity=quantity)
        return Ticket(gross + tax, [line], [])

    def _pay(self, cents: int) -> list[Row]:
        return [self._cash(cents)] if self._draw() < 0.3 else [self._card(cents)]

    def _cash(self, cents: int) -> Row:
        note = 500 if self._draw() < 0.5 else 2000
        paid = -(-cents // note) * note
        return tender("Cash", self._unset(), paid, change=cents - paid)

    def _card(self, cents: int) -> Row:
        return card_tender(cents, self._draw)

    def _wash(self) -> Wash:
        return WASHES[bisect(_WASH_WEIGHTS, self._draw() * _WASH_WEIGHTS[-1])]

    def _member(self) -> int:
        return int(self._draw() * self._members)

    def _active_member(self) -> int:
        """A member who is active all day, if there is one; every plan has the same share of washes."""
        drawn = self._member()
        if self.agenda is None or not (active := self.agenda.active[drawn % len(PLANS)]):
            return drawn
        return active[drawn // len(PLANS) % len(active)]

    def _tax_on(self, cents: int) -> int:
        return tax_on(cents, self._tax)

    def _discount_field(self) -> str:
        if self._live:
            return "discountAmount"
        return "discount" if self._draw() < 0.8 else "discountAmount"

    def _unset(self) -> str | None:
        return "" if self._draw() < 0.5 else None
