"""What both accounts have landed: an asset of this project, on the lakes of the two components."""

import dagster as dg

from sonnys_pipeline.orchestration import LakeResource


def landed_days(north_lake: LakeResource, south_lake: LakeResource) -> dg.MaterializeResult:
    """Count the landed days of each account."""
    lakes = {"north": north_lake, "south": south_lake}
    return dg.MaterializeResult(
        metadata={name: len(lake.open_lake().partitions("transactions")) for name, lake in lakes.items()}
    )
