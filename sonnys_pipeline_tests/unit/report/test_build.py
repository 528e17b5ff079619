"""docs/report.md: what a report says. Every number is computed, and nothing missing is taken for 0 (KPIS)."""

from datetime import UTC, date, datetime
from decimal import Decimal

import pyarrow as pa
import pytest

from sonnys_pipeline.calendar.business_days import MissingDay
from sonnys_pipeline.report.build import TOP, build_report, secondary_figures
from sonnys_pipeline.report.caveats import Caveat
from sonnys_pipeline.report.measures import CARS, CONVERSION, SALES, Gap, gaps_of
from sonnys_pipeline_tests.support.report_marts import MADE_AT, NAMES, SATURDAY, before, history, report, site_day

LAST_WEEK = before(7)


def texts(caveats: tuple[Caveat, ...], severity: str) -> list[str]:
    return [caveat.text for caveat in caveats if caveat.severity == severity]


def test_headlines_are_sums_and_rates_of_sums() -> None:
    """A chain's average ticket and conversion come from its sums, not from the mean of its sites."""
    changed = {("MESA", SATURDAY): {"total_cars": 300, "sales": Decimal(1000), "eligible_washes": 160}}
    figures = report(history(changed)).figures
    assert figures["cars"].value == 400
    assert figures["sales"].value == 2000
    assert figures["average_ticket"].value == 5
    assert figures["member_share"].value == Decimal("0.25")
    assert figures["conversion"].value == Decimal("0.05")


def test_a_rate_of_nothing_is_not_a_rate() -> None:
    """No cars and no eligible washes: no average ticket and no conversion, instead of 0."""
    none = {"total_cars": 0, "member_washes": 0, "eligible_washes": 0}
    figures = report(history({(site, SATURDAY): none for site in NAMES})).figures
    assert figures["cars"].value == 0
    assert figures["average_ticket"].value is None
    assert figures["conversion"].value is None


def test_against_the_same_weekday() -> None:
    """Last week's Saturday alone, and the mean of the last four."""
    changed = {("MAIN", before(7)): {"total_cars": 60}, ("MAIN", before(14)): {"total_cars": 140}}
    changed[("MAIN", before(1))] = {"total_cars": 9999}
    cars = report(history(changed)).figures["cars"]
    assert cars.last_week.base == 160
    assert cars.last_week.fraction == Decimal("0.25")
    assert cars.four_weeks.base == 200
    assert cars.four_weeks.days == cars.four_weeks.of_days == 4
    assert not cars.last_week.is_partial


def test_like_is_compared_with_like() -> None:
    """A site whose last week is missing stays in the figure, and out of the comparison, which says so."""
    changed = {("MAIN", SATURDAY): {"total_cars": 120}}
    found = report(history(changed, without=[("MESA", LAST_WEEK)]), missing=[Gap(LAST_WEEK, "MESA")]).figures["cars"]
    assert found.value == 220
    assert (found.last_week.value, found.last_week.base) == (120, 100)
    assert (found.last_week.sites, found.last_week.of_sites) == (1, 2)
    assert found.last_week.is_partial
    assert (found.four_weeks.days, found.four_weeks.base) == (3, 200)


def test_a_missing_site_counts_nowhere() -> None:
    """Its line says why; totals, tenders, discounts and hours are without it; the first caveat is an error."""
    made = report(
        history(without=[("MESA", SATURDAY)]),
        tenders=[("MAIN", "Cash", None, "10.00"), ("MESA", "Cash", None, "99.00")],
        discounts=[("MESA", "Coupon", "99.00")],
        missing=[Gap(SATURDAY, "MESA", "still being read")],
    )
    assert [(line.name, line.gap) for line in made.missing_sites] == [("Mesa Verde", "still being read")]
    assert made.figures["cars"].value == 100
    assert made.tender_total == 10
    assert made.discounts == ()
    assert [(line.name, line.cars) for line in made.hour_lines] == [("Main Street", (40, 60)), ("Mesa Verde", None)]
    assert made.trends["cars"][-1].missing_sites == 1
    assert made.caveats[0] == Caveat(
        "error", "Mesa Verde is missing on this day: still being read. The totals do not include it."
    )


def test_a_missing_day_is_never_zero() -> None:
    """Of the whole chain: no figure has a value, the trend has none, and the error says what to do."""
    days = [(site, SATURDAY) for site in NAMES]
    made = report(history(without=days), hours=(), missing=[Gap(SATURDAY)])
    assert all(figure.value is None for figure in made.figures.values())
    assert all(figure.last_week.base is None for figure in made.figures.values())
    assert made.trends["sales"][-1].value is None
    assert texts(made.caveats, "error") == ["This day is missing: not loaded. Load it, then make the report again."]


def test_a_landed_day_without_transactions_is_zero() -> None:
    """Loaded and empty is known: the figure is 0, and the reader is asked whether the site was closed."""
    made = report(history(without=[("MESA", SATURDAY)]))
    mesa = made.sites[1]
    assert mesa.gap is None
    assert mesa.figures["cars"].value == 0
    assert mesa.figures["cars"].last_week.fraction == -1
    assert any("Mesa Verde. Closed, or not reporting?" in text for text in texts(made.caveats, "warning"))


def test_days_before_the_first_known_one_are_missing() -> None:
    """A lake that begins a week ago gives a trend of eight days and 22 gaps."""
    made = report([site_day(site, before(back)) for site in NAMES for back in range(8)])
    values = [day.value for day in made.trends["cars"]]
    assert values == [None] * 22 + [200] * 8
    assert made.figures["cars"].four_weeks.days == 1


def test_the_mean_of_seven_days() -> None:
    """Trailing, made of complete days only, and none where fewer than four of seven are complete."""
    changed = {("MAIN", before(6)): {"total_cars": 170}}
    whole = report(history(changed)).trends["cars"]
    assert whole[-1].mean == 210
    assert whole[0].mean == 200
    holes = report(history(changed), missing=[Gap(before(back), "MESA") for back in range(4)]).trends["cars"]
    assert holes[-1].mean is None
    assert holes[-2].mean == Decimal(200 * 3 + 270) / 4


def test_nothing_known_at_all() -> None:
    """An empty lake still gives a report: an error, and no numbers."""
    made = report([], hours=())
    assert made.sites == ()
    assert made.figures["cars"].value is None
    assert texts(made.caveats, "error") == [
        "There is no data for this day or the days before it. Load them, then make the report again."
    ]


def test_sites_are_named_and_in_an_order_that_stays() -> None:
    """By name, numbers as numbers; one without a name goes by its code, the e-commerce site has none."""
    rows = [site_day(site, before(back)) for site in ("A", "B", "X9", "") for back in range(30)]
    names = {"A": "Site 10", "B": "Site 2", None: "Online", "OLD": "Closed Site"}
    made = report(rows, hours=(), sites=names)
    assert [line.name for line in made.sites] == ["Online", "Site 2", "Site 10", "X9"]
    assert texts(made.caveats, "info") == [
        "Listed sites without transactions in 30 days: Closed Site.",
    ]


def test_a_site_that_is_only_ever_a_gap() -> None:
    """Missing on one day and silent on all others, it is no site of the chain; missing always, it is one."""
    names = {**NAMES, "OLD": "Closed", "NEW": "Opening"}
    gaps = [Gap(LAST_WEEK, "OLD"), *(Gap(before(back), "NEW") for back in range(40))]
    assert [line.name for line in report(sites=names, missing=gaps).sites] == ["Main Street", "Mesa Verde", "Opening"]


def test_hours_run_from_the_first_car_to_the_last() -> None:
    """No hour between them is left out; a site without a car is."""
    made = report(hours=[("MAIN", 7, 3), ("MAIN", 10, 1), ("MAIN", 23, 0), ("MESA", 8, 0)])
    assert made.hours == (7, 8, 9, 10)
    assert [(line.name, line.cars) for line in made.hour_lines] == [("Main Street", (3, 0, 0, 1))]
    assert made.chain_hours == (3, 0, 0, 1)


def test_tenders_by_kind_and_subtype() -> None:
    """The largest first, shares of the net total; a kind without subtypes has no parts."""
    made = report(
        tenders=[
            ("MAIN", "Credit", "Visa", "60.00"),
            ("MESA", "Credit", "Visa", "10.00"),
            ("MAIN", "Credit", "Amex", "20.00"),
            ("MAIN", "Cash", None, "30.00"),
            ("MAIN", "Void", None, "-20.00"),
        ]
    )
    assert [(kind.label, kind.total, kind.share) for kind in made.tenders] == [
        ("Credit", 90, Decimal("0.9")),
        ("Cash", 30, Decimal("0.3")),
        ("Void", -20, Decimal("-0.2")),
    ]
    assert [(part.label, part.total) for part in made.tenders[0].parts] == [("Visa", 70), ("Amex", 20)]
    assert made.tenders[1].parts == ()
    assert made.tender_total == 100


def test_discounts_are_a_share_of_sales_before_them() -> None:
    """$500 off $2,000 that were paid: a fifth; names over sites together."""
    made = report(
        history({("MAIN", SATURDAY): {"discounts": Decimal(500)}}),
        discounts=[("MAIN", "Early Bird", "300.00"), ("MESA", "Early Bird", "100.00"), ("MAIN", "Coupon", "100.00")],
    )
    assert made.discount_share == Decimal("0.2")
    assert [(part.label, part.total, part.share) for part in made.discounts] == [
        ("Early Bird", 400, Decimal("0.16")),
        ("Coupon", 100, Decimal("0.04")),
    ]
    assert made.caveats == ()


def test_a_long_list_of_discounts_ends_in_a_sum() -> None:
    """Nothing is dropped: the rest stands in one line."""
    many = [("MAIN", f"Coupon {number}", f"{number}.00") for number in range(1, TOP + 4)]
    made = report(discounts=many)
    assert len(made.discounts) == TOP + 1
    assert made.discounts[-1].label == "3 others"
    assert made.discounts[-1].total == 1 + 2 + 3


def test_voids_are_kept_apart_and_unsettled_is_a_warning() -> None:
    """Three kinds and the unsettled, each with last week's."""
    changed = {
        ("MAIN", SATURDAY): {
            "voided_transactions": 1,
            "voided_items": 2,
            "void_tenders": 3,
            "unsettled_transactions": 4,
        },
        ("MESA", LAST_WEEK): {"voided_items": 7},
    }
    made = report(history(changed))
    assert [figure.value for figure in made.voids.values()] == [1, 2, 3, 4]
    assert made.voids["voided_items"].last_week.base == 7
    assert made.transactions == 220
    assert texts(made.caveats, "warning") == ["4 transactions are not settled; the totals may still change."]


@pytest.mark.parametrize(("hour", "over"), [(7, False), (8, True)])
def test_a_day_that_is_not_over(hour: int, over: bool) -> None:
    """By the site's clock: Saturday ends in Los Angeles at eight in the morning UTC."""
    made = report(zone="America/Los_Angeles", made_at=datetime(2026, 11, 22, hour, tzinfo=UTC))
    assert (made.caveats == ()) is over
    assert over or made.caveats[0].text == "The day was not over yet when this report was made."


def test_findings_of_checks_stand_in_the_order_of_their_gravity() -> None:
    """What is handed in and what the report sees itself, together."""
    given = [Caveat("info", "note"), Caveat("error", "rows are lost")]
    made = report(history({("MAIN", SATURDAY): {"unsettled_transactions": 1}}), findings=given)
    assert [caveat.severity for caveat in made.caveats] == ["error", "warning", "info"]


def test_gaps_of_a_mart() -> None:
    """What a mart could not count becomes a gap that says which partitions lack."""
    assert gaps_of([MissingDay("MESA", SATURDAY, (SATURDAY, date(2026, 11, 22)))]) == (
        Gap(SATURDAY, "MESA", "transactions of 2026-11-21, 2026-11-22 are not landed"),
    )


NOT_KNOWN = (
    "transaction_status: no row of this day has it (voided_transactions, unsettled_transactions, net_cars, net_sales)"
)
UNKNOWN: dict[str, object] = {
    "voided_transactions": None, "unsettled_transactions": None, "net_cars": None, "net_sales": None,
    "unknown": NOT_KNOWN,
}  # fmt: skip


def test_what_is_not_known_is_not_zero_and_says_why() -> None:
    """One site of two does not know: no sum over both, the reason beside it; what the site knows is summed as ever."""
    made = report(history({("MESA", SATURDAY): UNKNOWN}))
    for figure in (made.figures["net_cars"], made.figures["net_sales"], made.voids["voided_transactions"]):
        assert (figure.value, figure.unknown) == (None, NOT_KNOWN)
        assert figure.last_week.difference is None
        assert figure.last_week.base is not None
    assert (made.figures["cars"].value, made.figures["cars"].unknown) == (200, None)
    assert made.voids["voided_items"].unknown is None
    main, mesa = made.sites
    assert (main.figures["net_cars"].value, mesa.figures["net_cars"].value) == (100, None)
    assert mesa.voids["unsettled"].unknown == NOT_KNOWN
    assert texts(made.caveats, "warning") == [
        f"Not known: Mesa Verde: {NOT_KNOWN}. Materialize transaction_states for this day to get it."
    ]


def test_a_comparison_needs_what_it_compares_with() -> None:
    """Last week is not known: nothing to compare with, and the mean is of the weeks that are known."""
    made = report(history({("MESA", LAST_WEEK): UNKNOWN}))
    assert made.figures["net_cars"].value == 200
    assert made.figures["net_cars"].last_week.base is None
    assert (made.figures["net_cars"].four_weeks.days, made.figures["net_cars"].four_weeks.base) == (3, 200)
    assert made.figures["cars"].four_weeks.days == made.weeks_compared == 4


def test_rows_that_lack_a_field_are_added_up() -> None:
    """A sentence for the chain, not one for each site."""
    said = "is_recurring_plan_sale: {} of this day {} it, counted by is_recurring_sale"
    changed = {
        ("MAIN", SATURDAY): {"unknown": said.format("1 row", "lacks")},
        ("MESA", SATURDAY): {"unknown": said.format("20 rows", "lack")},
    }
    assert texts(report(history(changed)).caveats, "info") == [
        "Known in part: is_recurring_plan_sale: 21 rows lack it, counted by is_recurring_sale."
    ]


def test_what_is_left_out_is_an_error() -> None:
    """A row in no figure makes totals wrong."""
    left_out = "left out of every figure, having an amount beyond 10,000,000 dollars: 7:1"
    made = report(history({("MAIN", SATURDAY): {"unknown": left_out}}))
    assert texts(made.caveats, "error") == [f"Main Street: {left_out}. Load the day again."]


def test_what_stands_beside_a_headline_is_what_differs() -> None:
    """Net figures where they differ from the total, overpayments where there are any, conversion in lane."""
    same = report().figures
    assert [secondary_figures(same, measure) for measure in (CARS, SALES, CONVERSION)] == [[], [], []]
    changed = {
        ("MAIN", SATURDAY): {
            "net_cars": 97, "net_sales": Decimal("985.50"), "overpayments": Decimal("4.25"),
            "new_memberships_in_lane": 3,
        }
    }  # fmt: skip
    figures = report(history(changed)).figures
    assert [one.value for one in secondary_figures(figures, CARS)] == [197]
    assert [one.value for one in secondary_figures(figures, SALES)] == [Decimal("1985.50"), Decimal("4.25")]
    assert [one.value for one in secondary_figures(figures, CONVERSION)] == [
        Decimal("0.1")
    ]  # 8 of 80, where 10 of 80 in all
    unknown = report(history({("MESA", SATURDAY): UNKNOWN})).figures
    assert [one.unknown for one in secondary_figures(unknown, CARS)] == [NOT_KNOWN]


def test_a_mart_that_lacks_a_column_is_refused_by_name() -> None:
    """The message says which table and which column."""
    empty = pa.table({"site": pa.array([], pa.string())})
    with pytest.raises(ValueError, match=r"site_days lacks business_date, total_cars"):
        build_report(
            SATURDAY,
            site_days=empty, site_hours=empty, tenders=empty, discounts=empty, sites=empty, findings=[], missing=[],
            made_at=MADE_AT,
        )  # fmt: skip


def test_a_naive_instant_is_refused() -> None:
    """Nobody knows whose clock it is."""
    with pytest.raises(ValueError, match="made_at needs a time zone"):
        report(made_at=MADE_AT.replace(tzinfo=None))
