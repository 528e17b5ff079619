"""The public names of the lake."""

import pytest

from sonnys_pipeline import lake


def test_public_names_are_pinned() -> None:
    """What a user's code may import; sorted, and all of it there."""
    assert lake.__all__ == [
        "Lake",
        "LakeError",
        "LandedFile",
        "NotLandedError",
        "Scan",
        "UnreachableLakeError",
        "UnwritableLakeError",
        "scan",
    ]
    assert [getattr(lake, name).__name__ for name in lake.__all__] == lake.__all__


def test_another_name_is_refused() -> None:
    """As Python refuses it."""
    with pytest.raises(AttributeError, match=r"module 'sonnys_pipeline\.lake' has no attribute 'lakes'"):
        _ = lake.lakes
