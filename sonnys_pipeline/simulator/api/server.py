"""The simulated API over HTTP: the vendor's endpoints as a Starlette application.

Each request is checked for credentials, budget, transport faults, sites, then parameters: an invalid request costs
budget, and 429 comes before 422.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from email.utils import format_datetime

from pydantic_core import to_json
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from sonnys_pipeline.simulator.api import lists
from sonnys_pipeline.simulator.api.access import API_ID_HEADER, SITE_HEADER
from sonnys_pipeline.simulator.api.answers import Answer, Handler, list_answer
from sonnys_pipeline.simulator.api.connections import Connections
from sonnys_pipeline.simulator.api.control import control_routes
from sonnys_pipeline.simulator.api.criteria import Criteria, Span, read_criteria
from sonnys_pipeline.simulator.api.errors import ONE_SITE_ONLY, ApiError
from sonnys_pipeline.simulator.api.request_log import RequestRecord
from sonnys_pipeline.simulator.config import Account
from sonnys_pipeline.simulator.faults import Operation
from sonnys_pipeline.simulator.state import SimulatorState
from sonnys_pipeline.simulator.world.history import Entry
from sonnys_pipeline.simulator.world.row_parts import Row

_HTML = "text/html; charset=utf-8"
_GATEWAY_PAGE = b"<html><head><title>Gateway</title></head><body><h1>Please try again later</h1></body></html>"


class ApiServer:
    """Answers requests from one `SimulatorState`; `stopping` interrupts slow responses."""

    def __init__(self, state: SimulatorState, connections: Connections, stopping: asyncio.Event) -> None:
        self._state = state
        self._connections = connections
        self._stopping = stopping

    def application(self) -> Starlette:
        """The ASGI application: the API under `/v1`, the controls under `/_simulator`."""
        api = (
            ("/v1/transaction/load-job", Operation.SUBMIT, self._load_job, ["GET", "POST"]),
            ("/v1/transaction/get-job-data", Operation.POLL, self._get_job_data, ["GET"]),
            ("/v1/transaction", Operation.LIST, self._list, ["GET"]),
            ("/v1/transaction/version-2", Operation.LIST, self._list_v2, ["GET"]),
            ("/v1/transaction/type/{item_type}", Operation.LIST, self._list_by_type, ["GET"]),
            ("/v1/transaction/{transaction_id}", Operation.LIST, self._transaction, ["GET"]),
            ("/v1/site/list", Operation.SITES, self._sites, ["GET"]),
        )
        resources = self._state.resources.handlers().items()
        every = [*api, *((f"/v1{path}", Operation.RESOURCE, handler, ["GET"]) for path, handler in resources)]
        routes = [
            Route(path, self._endpoint(path, what, handler), methods=methods) for path, what, handler, methods in every
        ]
        return Starlette(
            routes=[*routes, *control_routes(self._state)],
            exception_handlers={HTTPException: self._unknown_endpoint},
        )

    # What every request goes through.

    def _endpoint(self, path: str, operation: Operation, handler: Handler) -> Callable[[Request], Awaitable[Response]]:
        async def endpoint(request: Request) -> Response:
            at, elapsed = self._state.log.arrival()
            take = self._state.injector.take
            cut = None
            if take("drop_before", operation):
                cut, answer = "drop_before", Answer(0, b"")
            else:
                answer = self._handle(request, path, operation, handler, elapsed)
                if take("drop_after", operation):
                    cut = "drop_after"
                await self._delay(operation)
            self._state.log.add(
                RequestRecord(
                    at=at,
                    elapsed=elapsed,
                    api_id=request.headers.get(API_ID_HEADER, ""),
                    method=request.method,
                    path=request.url.path,
                    query=request.url.query,
                    operation=operation.value,
                    status=0 if cut else answer.status,
                    outcome=cut or answer.outcome,
                ),
                job_created=answer.job_created,
                rows=0 if cut else answer.rows,
            )
            return _CutConnection(self._connections) if cut else self._response(answer)

        return endpoint

    def _handle(self, request: Request, path: str, operation: Operation, handler: Handler, elapsed: float) -> Answer:
        state = self._state
        try:
            account = state.access.authenticate(request.headers)
            per_endpoint = state.config.budget_per == "endpoint"
            self._spend_budget(f"{account.api_id} {path}" if per_endpoint else account.api_id, operation, elapsed)
            answer = self._transport_fault(operation) or handler(request, account)
        except ApiError as error:
            return Answer(error.status, to_json(error.body()), error.error_type)
        if answer.status == 200 and state.injector.take("truncated_json", operation):
            return Answer(200, answer.body[: len(answer.body) // 2], "truncated_json", job_created=answer.job_created)
        return answer

    def _spend_budget(self, holder: str, operation: Operation, elapsed: float) -> None:
        storm = self._state.injector.take("rate_limit_storm", operation)
        if storm or not self._state.budget.acquire(holder, elapsed):
            raise ApiError("RequestRateExceedError")

    def _transport_fault(self, operation: Operation) -> Answer | None:
        take = self._state.injector.take
        if take("server_errors", operation):
            raise ApiError("ServerUnexpectedFailure", code="SCEC0001")
        if take("clock_errors", operation):
            raise ApiError("InvalidPayloadRequestTimestampError")
        for fault, status in (("unavailable", 503), ("bad_gateway", 502), ("html_answers", 200)):
            if take(fault, operation):
                return Answer(status, _GATEWAY_PAGE, fault, _HTML)
        if take("redirects", operation):
            return Answer(302, b"", "redirects", _HTML, {"location": self._state.injector.faults.redirect_to})
        return None

    async def _delay(self, operation: Operation) -> None:
        seconds = self._state.config.latency_seconds
        if self._state.injector.take("slow_answers", operation):
            seconds += self._state.injector.faults.slow_seconds
        if seconds:
            try:
                await asyncio.wait_for(self._stopping.wait(), self._state.clock.scaled(seconds))
            except TimeoutError:
                return

    def _response(self, answer: Answer) -> Response:
        headers = {"date": format_datetime(self._state.clock.now(), usegmt=True), **answer.headers}
        return Response(answer.body, answer.status, headers, answer.media_type)

    async def _unknown_endpoint(self, request: Request, error: Exception) -> Response:
        status = error.status_code if isinstance(error, HTTPException) else 400
        body = ApiError("UnexpectedFailure", f"No endpoint answers {request.method} {request.url.path}.").body()
        return self._response(Answer(status, to_json(body)))

    # Endpoints.

    def _load_job(self, request: Request, account: Account) -> Answer:
        criteria = self._criteria(request, account, Span.ONE_DAY, needs_site=self._state.live)
        job, created = self._state.jobs.submit(account.api_id, criteria)
        if created:
            self._state.amendments.record_read(criteria)
        return Answer(200, to_json({"data": {"hash": job.hash}}), "ok" if created else "cached", job_created=created)

    def _get_job_data(self, request: Request, account: Account) -> Answer:
        state = self._state
        self._visible_sites(request, account)
        job_hash = request.query_params.get("hash")
        if not job_hash:
            raise ApiError("PayloadValidationError", messages=["hash: is required."])
        job = state.jobs.poll(account.api_id, job_hash)
        if job is None:
            raise ApiError("EntityNotFoundError", "The hash was not found.")
        if state.injector.take("unknown_status"):
            return Answer(200, job.pending_body("queued"), "queued")
        status = job.status(state.clock.elapsed())
        if status == "fail" and not state.config.fail_body:
            return Answer(200, job.bare_body(status), status)
        if status != "pass":
            return Answer(200, job.pending_body(status), status)
        if not job.total and state.injector.faults.empty_as_404:
            raise ApiError("EntityNotFoundError")
        return Answer(200, job.passed_body(), status, rows=job.row_count)

    def _list(self, request: Request, account: Account) -> Answer:
        criteria = self._list_criteria(request, account)
        return self._page(criteria, self._entries(criteria), lists.summary)

    def _list_by_type(self, request: Request, account: Account) -> Answer:
        item_type = request.path_params["item_type"]
        if item_type not in lists.ITEM_TYPES:
            known = ", ".join(lists.ITEM_TYPES)
            raise ApiError("PayloadValidationError", messages=[f"item_type: must be one of {known}."])
        criteria = self._list_criteria(request, account)
        skips = self._state.injector.faults.wash_list_skips
        return self._page(criteria, lists.of_item_type(self._entries(criteria), item_type, skips), lists.summary)

    def _list_v2(self, request: Request, account: Account) -> Answer:
        cache, at = self._state.cached_lists, self._state.clock.elapsed()
        criteria = self._list_criteria(request, account)
        question = (account.api_id, request.headers.get(SITE_HEADER, ""), request.url.query)
        if (known := cache.get(question, at)) is not None:
            return Answer(200, known, "cached")
        names = self._state.injector.faults.renamed_fields
        answer = self._page(criteria, self._entries(criteria), lambda row: lists.renamed(lists.summary_v2(row), names))
        cache.put(question, answer.body, at)
        return answer

    def _transaction(self, request: Request, account: Account) -> Answer:
        visible = self._visible_sites(request, account)
        entry = self._state.world.find(request.path_params["transaction_id"])
        now_ms = self._state.clock.now().timestamp() * 1000
        if entry is None or entry[0] > now_ms or entry[2]["locationCode"] not in visible:
            raise ApiError("EntityNotFoundError", "The transaction was not found.")
        return Answer(200, to_json({"data": lists.detail(entry[2])}))

    def _sites(self, request: Request, account: Account) -> Answer:
        visible = self._visible_sites(request, account)
        config = self._state.config
        sites = lists.sites(
            [site for site in self._state.world.sites if site.code in visible],
            twice=config.site_spellings,
            other_case=config.list_in_other_case,
        )
        return Answer(200, to_json({"data": {"sites": sites}}))

    # Parts of an answer.

    def _visible_sites(self, request: Request, account: Account) -> frozenset[str]:
        header, argument = request.headers.get(SITE_HEADER), request.query_params.get("site")
        return self._state.access.visible_sites(account, header, argument)

    def _list_criteria(self, request: Request, account: Account) -> Criteria:
        longest = Span.DAYS_31 if self._state.live else Span.ONE_MONTH
        return self._criteria(request, account, longest, needs_site=self._state.config.lists_need_site)

    def _criteria(self, request: Request, account: Account, longest: Span, *, needs_site: bool) -> Criteria:
        state, sites = self._state, self._visible_sites(request, account)
        # The site header does not replace the parameter (L1).
        unnamed = needs_site and not request.query_params.get("site") and state.access.sees_several(account)
        return read_criteria(
            request.query_params,
            sites,
            state.clock.now(),
            longest,
            ends=state.config.ends,
            errors=[ONE_SITE_ONLY] if unnamed else (),
        )

    def _entries(self, criteria: Criteria) -> Sequence[Entry]:
        entries = self._state.world.window(criteria.start_ms, criteria.end_ms, criteria.sites)
        self._state.amendments.record_read(criteria)
        return entries

    def _page(self, criteria: Criteria, entries: Sequence[Entry], shape: Callable[[Row], Row]) -> Answer:
        if not entries and self._state.injector.faults.empty_list_as_404:
            raise ApiError("EntityNotFoundError")
        first = (criteria.page - 1) * criteria.limit
        shown = lists.as_of(entries[first : first + criteria.limit], self._state.clock.now())
        rows = [shape(row) for row in shown]
        place = {"page": criteria.page, "limit": criteria.limit, "total": len(entries)}
        return list_answer("transactions", rows, **place, live=self._state.live)


class _CutConnection(Response):
    def __init__(self, connections: Connections) -> None:
        super().__init__()
        self._connections = connections

    async def __call__(self, scope: Scope, receive: Receive, _send: Send) -> None:
        self._connections.cut(scope["client"])
        # uvicorn reports a missing response as an error unless the client has disconnected.
        while (await receive())["type"] != "http.disconnect":
            continue
