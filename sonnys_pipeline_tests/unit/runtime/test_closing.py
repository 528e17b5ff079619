"""What holds a connection or a file is closed at the end of its block, whatever happens inside."""

import pytest

from sonnys_pipeline.runtime.closing import Closing


class Door(Closing):
    """Counts how often it was closed."""

    closed = 0

    def close(self) -> None:
        self.closed += 1


def test_it_is_closed_at_the_end_of_its_block() -> None:
    """Once; the block's name is the thing itself."""
    door = Door()
    with door as opened:
        assert opened is door
        assert door.closed == 0
    assert door.closed == 1


def test_it_is_closed_when_the_block_fails() -> None:
    """And the failure goes on its way."""
    door = Door()
    with pytest.raises(ZeroDivisionError), door:
        _ = 1 / 0
    assert door.closed == 1
