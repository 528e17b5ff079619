"""The way of one partition key through the house: modules, functions, carriers and ledger transactions of one day.

`python -m benchmarks.walk` materializes `transactions` for one day of one simulated site through Dagster, in this
process, and prints one JSON document. A profiler hook sees every call of a function of the house. A function is on the
way when the key comes to it: as text, or inside an argument that holds it (a carrier: a day, a job's row, a request).
Constructors that frames of dataclasses make count as the class's module, generators once.

`PYTHONPATH=<checkout> python benchmarks/walk.py` measures that checkout, so that two versions can be compared by the
same script.
"""

from __future__ import annotations

import dataclasses
import json
import os
import sys
import tempfile
import threading
from collections import Counter
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
PACKAGE = f"{os.sep}sonnys_pipeline{os.sep}"
#: How deep inside an argument the key is looked for.
DEPTH = 3


class Walk:
    """What the profiler hook has seen."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self.called: set[CodeType] = set()
        self.on_the_way: set[CodeType] = set()
        self.carriers: Counter[str] = Counter()

    def __call__(self, frame: FrameType, happened: str, _: Any) -> None:  # noqa: ANN401 - as `sys.setprofile` calls it
        """Look at the arguments of a call."""
        code = frame.f_code
        if (
            happened != "call"
            or PACKAGE not in code.co_filename
            or code.co_name[0] == "<"
            or f"{PACKAGE}simulator{os.sep}" in code.co_filename
        ):
            return
        self.called.add(code)
        count = code.co_argcount + code.co_kwonlyargcount
        for name in code.co_varnames[:count]:
            if name != "cls" and (found := carrier_of(frame.f_locals.get(name), DEPTH)):
                self.on_the_way.add(code)
                self.carriers[found] += 1


def carrier_of(value: object, depth: int) -> str:
    """The type that holds the key, or nothing."""
    if isinstance(value, str):
        return "str" if value == KEY else ""
    if depth == 0 or value is None:
        return ""
    if type(value) in {list, tuple, set, frozenset} and len(value) < 100:  # type: ignore[arg-type]
        return next((found for one in value if (found := carrier_of(one, depth - 1))), "")
    kind = type(value)
    if not kind.__module__.startswith("sonnys_pipeline") or ".simulator" in kind.__module__:
        return ""
    if dataclasses.is_dataclass(value):
        held = [getattr(value, field.name, None) for field in dataclasses.fields(value)]
        return kind.__name__ if any(carrier_of(one, depth - 1) for one in held) else ""
    held = list(getattr(value, "__dict__", {}).values())
    return kind.__name__ if any(isinstance(one, str) and one == KEY for one in held) else ""


def measure() -> dict[str, Any]:
    """Land one day, and count."""
    transactions: Counter[str] = Counter()

    def count_begin(connection: Any) -> None:  # noqa: ANN401 - SQLAlchemy's
        if "ledger" in str(connection.engine.url):
            transactions["transactions"] += 1

    def count_statement(connection: Any, *_: object) -> None:  # noqa: ANN401 - SQLAlchemy's
        if "ledger" in str(connection.engine.url):
            transactions["statements"] += 1

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
    modules = {code.co_filename.partition(PACKAGE)[2] for code in walk.on_the_way}
    return {
        "key": KEY,
        "functions_called": len(walk.called),
        "modules_called": len({code.co_filename for code in walk.called}),
        "functions_on_the_way": len(walk.on_the_way),
        "modules_on_the_way": len(modules),
        "rooms_on_the_way": len({module.partition(os.sep)[0] for module in modules}),
        "carriers": dict(walk.carriers.most_common()),
        "ledger": dict(transactions),
        "rows": rows,
        **(
            {"each": sorted(f"{code.co_filename.partition(PACKAGE)[2]}:{code.co_qualname}" for code in walk.on_the_way)}
            if "--each" in sys.argv
            else {}
        ),
    }


if __name__ == "__main__":
    print(json.dumps(measure(), indent=1))  # noqa: T201
