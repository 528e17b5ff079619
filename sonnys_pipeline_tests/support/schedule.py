"""Which worker runs which file: those that wait for processes, beside those that compute.

A test of `acceptance/` or `browser/` waits most of its time: for blocks of the request budget, for daemons that look
every second, for runs. Workers that all wait leave the cores idle; workers that all compute slow each other down. So
with `--dist loadfile` the first worker, the third and so on begin with files that wait, the longest first. The others
begin with files that compute. Each goes on with the other kind when its own is used up.
"""

from collections.abc import Iterable

from xdist.scheduler import LoadFileScheduling
from xdist.workermanage import WorkerController

#: How the paths of files that wait begin, and of files that compute; those that take longest come first.
WAITING = (
    "acceptance/workers/test_many_workers",
    "browser/test_dagster_ui",
    "acceptance/workers/",
    "browser/test_foreign_page",
    "acceptance/runs/test_missed_mornings",
    "acceptance/runs/test_power_cut",
    "acceptance/",
    "browser/",
    "integration/backfill/test_server_outages",
)
COMPUTING = ("integration/", "fuzz/", "unit/")


def rank(file: str, beginnings: Iterable[str]) -> int | None:
    """Place of the first beginning that the file's path below `sonnys_pipeline_tests` has; `None` for none."""
    path = file.removeprefix("sonnys_pipeline_tests/")
    return next((place for place, beginning in enumerate(beginnings) if path.startswith(beginning)), None)


def next_file(files: Iterable[str], *, waits: bool) -> str:
    """The file that a worker takes next: the first of its own kind, else the first of the other kind."""

    def place(file: str) -> tuple[bool, int]:
        waiting, computing = rank(file, WAITING), rank(file, COMPUTING)
        found = waiting if waiting is not None else computing
        return (waiting is not None) is not waits, len(WAITING) if found is None else found

    return min(files, key=place)


class Schedule(LoadFileScheduling):
    """`--dist loadfile`, with two kinds of workers."""

    def _assign_work_unit(self, node: WorkerController) -> None:
        file = next_file(self.workqueue, waits=self.nodes.index(node) % 2 == 0)
        self.workqueue.move_to_end(file, last=False)
        super()._assign_work_unit(node)
