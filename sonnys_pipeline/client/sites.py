"""`client.sites`: the operator's sites (LJ-08)."""

from __future__ import annotations

from sonnys_pipeline.client.models import Site, parse_rows
from sonnys_pipeline.client.resource import Resource, read_rows

#: Limit of the list, which is not paged.
_MAX_SITES = 10_000


class Sites(Resource):
    """`GET /site/list`; cached by the API for an hour."""

    def list(self) -> list[Site]:
        """All sites that the credentials may see, virtual (e-commerce) ones included; one request."""
        data = self._data("GET", "/site/list")
        return parse_rows(Site, read_rows(data, "sites", "GET /site/list", _MAX_SITES))
