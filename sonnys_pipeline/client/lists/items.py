"""`client.items`: what is sold where, and at which price."""

from __future__ import annotations

from sonnys_pipeline.client.lists.models import Item
from sonnys_pipeline.client.resource import Resource


class Items(Resource):
    """`GET /item`; the API caches its answers for an hour."""

    def list(self, **params: object) -> list[Item]:
        """All items of all sites, each once; one request per 100.

        Args:
            **params: `departmentName` in the API's spelling, such as `Recurring_Plan`; `site`.

        Raises:
            IncompleteResultError: there are fewer rows than `total` promised.
            UnparsableRowError: a row does not fit `Item`.
        """
        return self._list_all("/item", "items", Item, params, _identity)

    def count(self, **params: object) -> int:
        """How many items there are, by one request; `params` as for `list`."""
        return self._count("/item", params)


def _identity(item: Item) -> str:
    """An item may have no number, and two of a site the same one."""
    return repr((item.site_location, item.sku, item.name))
