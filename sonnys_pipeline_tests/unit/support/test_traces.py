"""The search through what a run has left behind finds each part of it, of any length."""

import random

import pytest

from sonnys_pipeline_tests.support.traces import Traces


@pytest.mark.parametrize("length", [1, 3, 4, 5, 12])
def test_each_part_is_found_and_nothing_else(length: int) -> None:
    """Also at the ends, and where two chunks of what is looked through at once meet."""
    chance = random.Random(length)
    content = "".join(chance.choices("abcdefgh é", k=(1 << 20) + 50)).encode()
    traces = Traces(content=content)
    begins = [0, *range((1 << 20) - 15, (1 << 20) + 5), len(content) - length]
    parts = [part for begin in begins if (part := content[begin : begin + length].decode(errors="ignore"))]
    assert len(parts) > 10
    assert [part for part in parts if not traces.holds(part)] == []
    assert not traces.holds("z" * length)
    assert not traces.holds("abcd" * 20)
