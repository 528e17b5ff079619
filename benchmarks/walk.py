"""The way of one partition key, and of one page of it, through the house: modules, functions, carriers, transactions.

`python -m benchmarks.walk` materializes `transactions` for one day of one simulated site through Dagster, in this
process, and prints one JSON document. A profiler hook sees every call of a function of the house. A function is on the
way when the key comes to it: as text, or inside an argument that holds it (a carrier: a day, a job's row, a request).
For a page, the key is its load job's hash, or an object of that page. Properties count as functions, constructors that
dataclasses make do not. `landing` is the step of the asset, `checks` are the steps after it.

`PYTHONPATH=<checkout> python benchmarks/walk.py` measures that checkout, so that two versions can be compared by the
same script. `--each` names the functions too.
"""

from __future__ import annotations

import dataclasses
import json
import os
import sys
import tempfile
import threading
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

import dagster as dg
from sqlalchemy import Engine, event

from sonnys_pipeline.orchestration.build import build_defs
from sonnys_pipeline.simulator import Simulator, SimulatorConfig

KEY = "2026-03-10"
DAY_BEFORE = "2026-03-09"
#: The page that is followed: one that the day's first answer makes known.
PAGE = 2
PACKAGE = f"{os.sep}sonnys_pipeline{os.sep}"
#: How deep inside an argument the key is looked for.
DEPTH = 3


class Way:
    """The functions that something has come to, and in which carriers."""

    def __init__(self, is_it: Callable[[object], bool]) -> None:
        """Begin with nothing; `is_it` tells whether a value is what is followed."""
        self.is_it = is_it
        self.functions: set[CodeType] = set()
        self.carriers: Counter[str] = Counter()

    def look(self, code: CodeType, given: list[object]) -> None:
        """Look at the arguments of a call."""
        for value in given:
            if found := self.carrier_of(value, DEPTH):
                self.functions.add(code)
                self.carriers[found] += 1

    def carrier_of(self, value: object, depth: int) -> str:
        """The type that holds it, or nothing."""
        if value is None or (depth == 0 and not isinstance(value, str)):
            return ""
        kind = type(value)
        if self.is_it(value):
            return kind.__name__
        if kind in {list, tuple, set, frozenset} and len(value) < 100:  # type: ignore[arg-type]
            return next((found for one in value if (found := self.carrier_of(one, depth - 1))), "")  # type: ignore[attr-defined]
        if not kind.__module__.startswith("sonnys_pipeline") or ".simulator" in kind.__module__:
            return ""
        if dataclasses.is_dataclass(value):
            held = [getattr(value, field.name, None) for field in dataclasses.fields(value)]
            return kind.__name__ if any(self.carrier_of(one, depth - 1) for one in held) else ""
        held = list(getattr(value, "__dict__", {}).values())
        return kind.__name__ if any(isinstance(one, str) and self.is_it(one) for one in held) else ""

    def figures(self) -> dict[str, Any]:
        """What is printed of it."""
        modules = modules_of(self.functions)
        names = sorted(f"{code.co_filename.partition(PACKAGE)[2]}:{code.co_qualname}" for code in self.functions)
        return {
            "functions": len(self.functions),
            "modules": len(modules),
            "rooms": len({module.partition(os.sep)[0] for module in modules}),
            "carriers": dict(self.carriers.most_common()),
            **({"each": names} if "--each" in sys.argv else {}),
        }


class Walk:
    """What the profiler hook has seen."""

    def __init__(self) -> None:
        """Begin with nothing, in the asset's step."""
        self.called: dict[str, set[CodeType]] = {"landing": set(), "checks": set()}
        self.days = {part: Way(lambda value: value == KEY if isinstance(value, str) else False) for part in self.called}
        self.page = Way(self.is_of_page)
        self.part = "landing"
        self.page_hash = ""
        #: Functions of the house on the stack when the day's file is handed to the lake, outermost first.
        self.nested: list[str] = []

    def __call__(self, frame: FrameType, happened: str, _: Any) -> None:  # noqa: ANN401 - as `sys.setprofile` calls it
        """Look at a call."""
        code = frame.f_code
        if (
            happened != "call"
            or PACKAGE not in code.co_filename
            or code.co_name[0] == "<"
            or f"{PACKAGE}simulator{os.sep}" in code.co_filename
        ):
            return
        if "checks" in code.co_filename.partition(f"{PACKAGE}orchestration{os.sep}")[2]:
            self.part = "checks"
        self.called[self.part].add(code)
        names = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
        given = [frame.f_locals.get(name) for name in names if name != "cls"]
        self.days[self.part].look(code, given)
        if code.co_qualname == "Lake.land" and "transactions" in given:
            self.nested = nested(frame)
        self.page.look(code, given)

    def is_of_page(self, value: object) -> bool:
        """Whether a value is the page's load job, its hash, or a record of it."""
        if isinstance(value, str):
            return bool(value) and value == self.page_hash
        if getattr(value, "page", None) != PAGE or not type(value).__module__.startswith("sonnys_pipeline"):
            return False
        # Pages of lists have no load job.
        self.page_hash = self.page_hash or getattr(value, "job_hash", None) or ""
        return not hasattr(getattr(value, "work", None), "operation")


def nested(frame: FrameType | None) -> list[str]:
    """Names of the functions of the house that are on the stack, outermost first."""
    found = []
    while frame is not None:
        if PACKAGE in frame.f_code.co_filename:
            found.append(frame.f_code.co_qualname.rpartition(".<locals>.")[2])
        frame = frame.f_back
    return found[::-1]


def modules_of(functions: set[CodeType]) -> set[str]:
    """Where functions stand, below the package."""
    return {code.co_filename.partition(PACKAGE)[2] for code in functions}


def measure() -> dict[str, Any]:
    """Land one day, and count."""
    transactions: Counter[str] = Counter()

    def count(connection: Any, what: str) -> None:  # noqa: ANN401 - SQLAlchemy's
        # How often a heartbeat comes depends on the machine.
        if "ledger" in str(connection.engine.url) and not threading.current_thread().name.startswith("heartbeat"):
            transactions[what] += 1

    def count_begin(connection: Any) -> None:  # noqa: ANN401 - SQLAlchemy's
        count(connection, "transactions")

    def count_statement(connection: Any, *_: object) -> None:  # noqa: ANN401 - SQLAlchemy's
        count(connection, "statements")

    event.listen(Engine, "begin", count_begin)
    event.listen(Engine, "before_cursor_execute", count_statement)
    config = SimulatorConfig(
        speed=200, rows_per_day=250, sites=1, virtual_site=False, now=datetime(2026, 3, 12, 12, tzinfo=UTC)
    )
    with tempfile.TemporaryDirectory() as folder, Simulator(config) as simulator:
        os.environ.update(
            {
                "SONNYS_API_ID": "demo-id", "SONNYS_API_KEY": "demo-key", "SONNYS_BASE_URL": simulator.base_url,
                "SONNYS_DATA_URL": f"{folder}/data", "SONNYS_STATE_DIR": f"{folder}/state",
                "SONNYS_START_DATE": "2026-03-01", "SONNYS_RATE_LIMIT": "400/1.5", "SONNYS_POLL_INTERVAL": "0.05",
            }
        )  # fmt: skip
        os.chdir(folder)
        with dg.instance_for_test(temp_dir=str(Path(folder))) as instance:
            implicit = build_defs().get_implicit_global_asset_job_def()
            # A day before it, unseen: the ledger has its tables then, and what is imported late is there.
            assert implicit.execute_in_process(
                instance=instance, partition_key=DAY_BEFORE, asset_selection=[dg.AssetKey("transactions")]
            ).success
            walk = Walk()
            transactions.clear()
            threading.setprofile(walk)
            sys.setprofile(walk)
            try:
                done = implicit.execute_in_process(
                    instance=instance, partition_key=KEY, asset_selection=[dg.AssetKey("transactions")]
                )
            finally:
                sys.setprofile(None)
                threading.setprofile(None)  # type: ignore[arg-type] # how it is switched off
            assert done.success
            landed = done.asset_materializations_for_node("transactions")[0]
            rows = landed.metadata["dagster/partition_row_count"].value
    return {
        "key": KEY,
        "rows": rows,
        "ledger": dict(transactions),
        "from_asset_to_lake": walk.nested,
        "called": {
            part: {"functions": len(called), "modules": len(modules_of(called))} for part, called in walk.called.items()
        },
        **{part: way.figures() for part, way in walk.days.items()},
        "page": walk.page.figures(),
    }


if __name__ == "__main__":
    print(json.dumps(measure(), indent=1))  # noqa: T201
