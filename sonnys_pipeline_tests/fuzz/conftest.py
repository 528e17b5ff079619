"""How long the fuzz suite runs: as long as CI has patience, or through the night (`SONNYS_FUZZ=nightly`)."""

import os
import resource
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings

#: Cases of each test; a case is three days, or one call of a client.
_CI, _NIGHTLY = 60, 20_000
#: Bytes by which the process may grow over all cases; one answer may have 32 MB, its parts and their copies.
_MOST_GROWTH = 600 << 20

_unhurried = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much]
hypothesis_settings.register_profile(
    "fuzz",
    deadline=None,
    database=None,
    derandomize=True,
    max_examples=_CI,
    report_multiple_bugs=False,
    suppress_health_check=_unhurried,
)
#: Other cases each night; what fails is printed with the blob that brings it back.
hypothesis_settings.register_profile(
    "fuzz-nightly",
    deadline=None,
    database=None,
    derandomize=False,
    max_examples=int(os.environ.get("SONNYS_FUZZ_CASES", _NIGHTLY)),
    print_blob=True,
    suppress_health_check=_unhurried,
)


def profile() -> hypothesis_settings:
    """The profile that the environment asks for."""
    return hypothesis_settings.get_profile("fuzz-nightly" if os.environ.get("SONNYS_FUZZ") == "nightly" else "fuzz")


@pytest.fixture(scope="module", autouse=True)
def _memory_stays_bounded() -> Iterator[None]:
    """Whatever was sent in a module's cases: the process has not grown much by it."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    yield
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) << 10
    assert grown < _MOST_GROWTH, f"{grown:,} bytes more than before"
