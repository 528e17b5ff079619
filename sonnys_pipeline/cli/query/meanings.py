"""What tables and columns mean, from the definitions of the assets."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sonnys_pipeline.lake.query.comments import Meaning


def meanings() -> dict[str, Meaning]:
    """By table; loads Dagster, which takes seconds. Settings are not read."""
    from sonnys_pipeline.config.given import GivenSettings
    from sonnys_pipeline.lake.query.comments import Meaning
    from sonnys_pipeline.orchestration.build import build_defs

    found = {}
    for spec in build_defs(settings=GivenSettings.of()).resolve_all_asset_specs():
        if "dagster/column_schema" in spec.metadata:
            columns = spec.metadata["dagster/column_schema"].schema.columns
            words = {column.name: column.description for column in columns if column.description}
            # An example query follows below the first paragraph.
            found[spec.key.path[-1]] = Meaning((spec.description or "").partition("\n\n")[0], words)
    return found
