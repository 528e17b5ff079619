"""RS-01: `client.items`: typed prices, all pages, the budget's share."""

from collections.abc import Callable
from typing import Any

import pytest

from sonnys_pipeline.client import IncompleteResultError, Item, RequestBudget, RequestRate, SonnysClient
from sonnys_pipeline.client.models import parse_rows, unknown_fields
from sonnys_pipeline.simulator import Simulator


def row(**fields: Any) -> dict[str, Any]:
    return {"sku": "100", "name": "Gold Wash", "departmentName": "Wash", "siteLocation": "MAIN", **fields}


def test_fields_that_the_model_does_not_have_are_kept_and_counted() -> None:
    items = parse_rows(Item, [row(barcode="1"), row(sku=None)])
    assert unknown_fields(items) == {"barcode": 1}
    assert (items[1].sku, items[1].price_at_site) == (None, None)


def test_all_pages_are_read(start_simulator: Callable[..., Simulator]) -> None:
    """Of twelve sites: three pages of 100 rows, each row once."""
    simulator = start_simulator(sites=12)
    with SonnysClient("demo-id", "demo-key", base_url=simulator.base_url) as client:
        items = client.items.list()
        washes = client.items.list(departmentName="Wash")
    assert len({(item.site_location, item.sku, item.name) for item in items}) == len(items) > 200
    assert washes == [item for item in items if item.department_name == "Wash"]
    assert max(item.price_at_site or 0 for item in items) == 1099.5


def test_a_list_that_lacks_rows_is_an_error(start_simulator: Callable[..., Simulator]) -> None:
    """As for every list: fewer rows than `total` are no short success."""
    simulator = start_simulator(sites=12)
    with SonnysClient("demo-id", "demo-key", base_url=simulator.base_url) as client:
        answer = client.items._data  # type: ignore[attr-defined] # as received, then cut

        def cut(method: str, path: str, *, params: Any = None) -> dict[str, Any]:
            data = answer(method, path, params=params)
            return {**data, "items": data["items"][:-1]}

        client.items._data = cut  # type: ignore[method-assign] # stands in for a server that loses rows
        with pytest.raises(IncompleteResultError):
            client.items.list()


def test_beside_others_a_client_counts_its_own_requests(start_simulator: Callable[..., Simulator]) -> None:
    simulator = start_simulator()
    with (
        RequestBudget("beside others", RequestRate(20, 60)) as budget,
        SonnysClient("demo-id", "demo-key", base_url=simulator.base_url, budget=budget) as client,
    ):
        client.sites.list()
        beside = client.beside_others(0.25)
        beside.items.list()
        assert (client.requests_sent, beside.requests_sent) == (1, 1)
        assert budget.permits_in_use() == 2
