"""Looking into a running simulator and steering it: `/_simulator/…`, without credentials and outside the budget.

| endpoint | answer |
|---|---|
| GET stats | the counts, the simulated present, what is left of the faults |
| GET log | `{"records": [...]}`; `?last=n` only the latest n |
| GET faults | the faults as they were set |
| POST faults | replaces the faults by the JSON body (`{}` takes all back) and answers them; 422 for unknown names |
| POST reset | forgets jobs, log, budget, late and edited rows; restores the configured faults |
| POST advance | `?seconds=n` skips n seconds of API time: the calendar, blocks, hashes, running jobs |

Belongs here: only those. The vendor's API has nothing of the kind.
"""

from __future__ import annotations

from pydantic import ValidationError
from pydantic_core import to_json
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from sonnys_pipeline.simulator.faults import Faults
from sonnys_pipeline.simulator.state import SimulatorState

CONTROL_PATH = "/_simulator"


def control_routes(state: SimulatorState) -> list[Route]:
    """The routes of the control endpoints."""

    async def stats(_request: Request) -> Response:
        return _json(
            {
                **state.log.stats().as_dict(),
                "now": state.clock.now().isoformat(),
                "speed": state.clock.speed,
                "faults_remaining": state.injector.remaining(),
            }
        )

    async def log(request: Request) -> Response:
        records = state.log.records()
        last = request.query_params.get("last")
        if last is not None and not last.isdecimal():
            return _refused("last must be a whole number")
        shown = records if last is None else records[len(records) - min(int(last), len(records)) :]
        return _json({"records": [record.as_dict() for record in shown]})

    async def show_faults(_request: Request) -> Response:
        return _json(state.injector.faults)

    async def set_faults(request: Request) -> Response:
        try:
            faults = Faults.model_validate_json(await request.body())
        except ValidationError as error:
            return _refused(str(error))
        state.set_faults(faults)
        return _json(faults)

    async def reset(_request: Request) -> Response:
        state.reset()
        return _json({"reset": True})

    async def advance(request: Request) -> Response:
        try:
            state.clock.advance(float(request.query_params.get("seconds", "")))
        except ValueError as error:
            return _refused(f"seconds: {error}")
        return _json({"now": state.clock.now().isoformat()})

    return [
        Route(f"{CONTROL_PATH}/stats", stats, methods=["GET"]),
        Route(f"{CONTROL_PATH}/log", log, methods=["GET"]),
        Route(f"{CONTROL_PATH}/faults", show_faults, methods=["GET"]),
        Route(f"{CONTROL_PATH}/faults", set_faults, methods=["POST"]),
        Route(f"{CONTROL_PATH}/reset", reset, methods=["POST"]),
        Route(f"{CONTROL_PATH}/advance", advance, methods=["POST"]),
    ]


def _json(content: object) -> Response:
    return Response(to_json(content), media_type="application/json")


def _refused(reason: str) -> Response:
    return Response(to_json({"error": reason}), 422, media_type="application/json")
