"""L7, KPIS "Business days": which site a code means, and which local day an instant is there."""

from datetime import UTC, date, datetime

from sonnys_pipeline.calendar.places import Places
from sonnys_pipeline_tests.support.tickets import sites

NIGHT = datetime(2026, 3, 11, 6, tzinfo=UTC)


def test_a_code_in_any_spelling() -> None:
    """The code and zone of the list; a code that no list has stands for itself, in the account's zone."""
    places = Places(sites(BurbT2="America/Los_Angeles"), "America/Chicago")
    assert places.on(" BURBT2", date(2026, 3, 10)) == ("BurbT2", "America/Los_Angeles")
    assert places.on("GONE", date(2026, 3, 10)) == ("GONE", "America/Chicago")
    assert places.on(None, date(2026, 3, 10)) == ("", "America/Chicago")
    assert places.day_of("burbt2", NIGHT) == date(2026, 3, 10)
    assert places.day_of(None, NIGHT) == date(2026, 3, 11)
