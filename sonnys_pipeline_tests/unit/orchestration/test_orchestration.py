"""The public names of the Dagster floor."""

from sonnys_pipeline import orchestration


def test_public_names_are_pinned() -> None:
    """What a user's definitions may import; sorted, and all of it there."""
    assert orchestration.__all__ == [
        "Account",
        "GivenSettings",
        "LakeIOManager",
        "LakeResource",
        "Settings",
        "SonnysAccountsResource",
        "SonnysResource",
        "build_defs",
        "daily_partitions",
    ]
    assert [getattr(orchestration, name).__name__ for name in orchestration.__all__] == orchestration.__all__
