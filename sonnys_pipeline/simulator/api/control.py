"""Inspects and controls a running simulator: `/_simulator/…`, without credentials and outside the budget.

| endpoint | response |
|---|---|
| GET stats | counts, simulated present, remaining faults |
| GET log | `{"records": [...]}`; `?last=n` only the latest n |
| GET faults | the faults as they were set |
| POST faults | replaces the faults by the JSON body (`{}` clears them); 422 for unknown names |
| POST reset | forgets jobs, log, budget, late and edited rows; restores the configured faults |
| POST advance | `?seconds=n` skips n seconds of API time: the calendar, blocks, hashes, running jobs |

Requests from web pages of other origins get a 403 (CSRF): those for another host or from another origin, and POSTs with
neither a JSON content type nor an `X-Sonnys-` header.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from typing import TypeAlias

from pydantic import ValidationError
from pydantic_core import to_json
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from sonnys_pipeline.simulator.faults import Faults
from sonnys_pipeline.simulator.state import SimulatorState

CONTROL_PATH = "/_simulator"
_OWN_NAMES = frozenset({"127.0.0.1", "::1", "localhost"})
_Endpoint: TypeAlias = Callable[[Request], Awaitable[Response]]


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

    endpoints: tuple[tuple[str, str, _Endpoint], ...] = (
        ("GET", "stats", stats),
        ("GET", "log", log),
        ("GET", "faults", show_faults),
        ("POST", "faults", set_faults),
        ("POST", "reset", reset),
        ("POST", "advance", advance),
    )
    return [
        Route(f"{CONTROL_PATH}/{name}", _same_site(endpoint), methods=[method]) for method, name, endpoint in endpoints
    ]


def _same_site(endpoint: _Endpoint) -> _Endpoint:
    async def guarded(request: Request) -> Response:
        if reason := _cross_site_reason(request):
            return _refused(reason, 403)
        return await endpoint(request)

    return guarded


def _cross_site_reason(request: Request) -> str | None:
    """Why a request may come from another site's page, or None."""
    host, origin = request.headers.get("host", ""), request.headers.get("origin")
    if re.sub(r":[0-9]+$", "", host).strip("[]") not in _OWN_NAMES:
        return "ask for 127.0.0.1 or localhost; other host names are not served"
    if origin is not None and origin != f"http://{host}":
        return "requests from pages of another origin are not served"
    if request.headers.get("sec-fetch-site", "none") not in ("none", "same-origin"):
        return "requests from pages of another site are not served"
    is_json = request.headers.get("content-type", "").partition(";")[0].strip().lower() == "application/json"
    if request.method == "POST" and not is_json and not any(name.startswith("x-sonnys-") for name in request.headers):
        return "send `Content-Type: application/json`, or any header beginning with X-Sonnys-"
    return None


def _json(content: object) -> Response:
    return Response(to_json(content), media_type="application/json")


def _refused(reason: str, status: int = 422) -> Response:
    return Response(to_json({"error": reason}), status, media_type="application/json")
