"""KT-01, KT-02: mornings with late edits of every kind and age, as `benchmarks/revisit.py` measures them, smaller."""

from pathlib import Path

from benchmarks.revisit import Mornings, edited_mornings
from sonnys_pipeline.config.revisit import Look
from sonnys_pipeline_tests.support.pipelines.revisits import Revisits, simulator_for_revisits

AGES = (1, 3, 9, 27, 50)


def found(mornings: Mornings, kind: str, age: int) -> str:
    """Which look found an edit."""
    (made,) = [made for made in mornings.edits if (made.kind, made.age) == (kind, age)]
    return made.found_by


def test_every_edit_is_found_within_the_policys_promise(tmp_path: Path) -> None:
    """KT-01, KT-02: two mornings with edits, and eight without: none older than its promise stays unfound."""
    with simulator_for_revisits(sites=1, rows_per_day=40) as simulator:
        revisits = Revisits.open(simulator, tmp_path)
        with revisits.workspace:
            revisits.place([revisits.day(age) for age in range(60, 0, -1)])
            mornings = edited_mornings(revisits, AGES, 2)
            landed = revisits.workspace.lake.partitions("transactions")
            assert revisits.sweep(Look.STATES).success
            assert revisits.differing(landed) == []

    assert len(mornings.edits) == 8 * len(AGES)
    assert mornings.broken == []
    assert {found(mornings, kind, 1) for kind in ("total", "void", "tender", "added", "delete")} == {"morning's run"}
    assert {found(mornings, kind, 9) for kind in ("total", "void", "status", "customer")} == {"states"}
    assert found(mornings, "added", 50) == "count"
    # These two are of one day. The move pulls that day into a repair, after which its list is compared, too.
    assert {found(mornings, kind, 50) for kind in ("delete", "move")} == {"states"}
