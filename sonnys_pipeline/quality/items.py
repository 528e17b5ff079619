"""The rule behind the check of `items`."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from sonnys_pipeline.quality.result import Finding, finding


def unpriced(items: pa.Table) -> Finding:
    """Present items without a price that sales can be compared with; named as site, number and name."""
    current = items.filter(items["is_current"])
    priced_at_sale = pc.fill_null(current["is_prompt_for_price"], fill_value=False)
    asked = current.filter(pc.invert(priced_at_sale))
    missing = asked.filter(pc.is_null(asked["price_at_site"]))
    negative = asked.filter(pc.fill_null(pc.less(asked["price_at_site"], 0.0), fill_value=False))
    return finding(
        asked.num_rows,
        [("without a price", _names(missing)), ("with a price below 0", _names(negative))],
    )


def _names(items: pa.Table) -> list[str]:
    return [
        " ".join(str(part) for part in (row["site_location"], row["sku"], row["name"]) if part)
        for row in items.select(["site_location", "sku", "name"]).to_pylist()
    ]
