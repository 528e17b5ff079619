"""Lists in sentences: what is named, and what is counted."""

from typing import Any

import pytest

from sonnys_pipeline.runtime.text import first_few


@pytest.mark.parametrize(
    ("names", "options", "expected"),
    [
        (["a"], {}, "a"),
        (["a", "b", "c"], {}, "a, b, c"),
        (["a", "b", "c", "d"], {}, "a, b, c and 1 more"),
        (["a", "b", "c", "d", "e"], {"separator": "; "}, "a; b; c; and 2 more"),
        (["a", "b", "c", "d", "e"], {"noun": "days"}, "a, b, c and 2 more days"),
        (["a", "b", "c"], {"total": 1_207}, "a, b, c and 1,204 more"),
    ],
)
def test_the_first_few_are_named(names: list[str], options: dict[str, Any], expected: str) -> None:
    """All where there are few; else three of them, and a count of the others."""
    assert first_few(names, 3, **options) == expected
