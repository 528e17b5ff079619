"""The rule behind the check of `items`."""

from datetime import date
from typing import Any

import pyarrow as pa

from sonnys_pipeline.landing.dimensions.tables import ITEMS
from sonnys_pipeline.quality.items import unpriced


def row(name: str, price: float | None, *, prompt: bool | None = False, current: bool = True) -> dict[str, Any]:
    return {
        "sku": None, "name": name, "price_at_site": price, "is_prompt_for_price": prompt, "site_location": "MAIN",
        "valid_from": date(2026, 6, 1), "valid_to": None if current else date(2026, 6, 2), "is_current": current,
    }  # fmt: skip


def test_items_without_a_price_are_named() -> None:
    """Not those that are priced at the sale, nor those that are no longer listed; 0 is a price."""
    rows = [
        row("priced", 5.0), row("free", 0.0), row("unknown", None), row("negative", -1.0),
        row("detail", None, prompt=True), row("old", None, current=False), row("not said", None, prompt=None),
    ]  # fmt: skip
    found = unpriced(pa.Table.from_pylist(rows, ITEMS.schema))
    assert not found.passed
    assert (found.checked, found.count) == (5, 3)
    assert found.sentences == [
        "without a price: 2 ids: MAIN not said, MAIN unknown",
        "with a price below 0: 1 id: MAIN negative",
    ]
    assert unpriced(pa.Table.from_pylist(rows[:2], ITEMS.schema)).passed
