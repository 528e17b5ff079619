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
    from sonnys_pipeline.orchestration.catalog import in_words

    found = {}
    for spec in build_defs(settings=GivenSettings.of()).resolve_all_asset_specs():
        if "dagster/column_schema" in spec.metadata:
            columns = spec.metadata["dagster/column_schema"].schema.columns
            words = {column.name: column.description for column in columns if column.description}
            found[spec.key.path[-1]] = Meaning(in_words(spec).partition("\n\n")[0], words)
    return found
