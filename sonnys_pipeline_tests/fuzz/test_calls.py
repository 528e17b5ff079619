"""Single calls of the client, answered as hypothesis likes: a typed result, or one error of ours in one line."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from hypothesis import event, given
from hypothesis import strategies as st
from pydantic import BaseModel

from sonnys_pipeline.client import APIError, JobData, RequestBudget, RequestRate, SonnysClient
from sonnys_pipeline.client.resource import MAX_TOTAL
from sonnys_pipeline_tests.fuzz.answers import PERSONAL, Step, steps
from sonnys_pipeline_tests.fuzz.api import HOSTILE, HostileApi
from sonnys_pipeline_tests.fuzz.conftest import profile
from sonnys_pipeline_tests.fuzz.test_days import refused_well

_START = int(datetime.fromisoformat(f"{HOSTILE}T00:00:00+00:00").timestamp())
SPAN = {"startDate": _START, "endDate": _START + 86_400}
CALLS: dict[str, Callable[[SonnysClient], Any]] = {
    "sites": lambda client: client.sites.list(),
    "count": lambda client: client.transactions.count(**SPAN),
    "list": lambda client: client.transactions.list(**SPAN),
    "states": lambda client: client.transactions.list_v2(**SPAN),
    "submit": lambda client: client.transactions.submit_job(**SPAN, limit=100, offset=1),
    "poll": lambda client: client.transactions.load_job(**SPAN, poll_interval=0.0, timeout=0.0),
    "data": lambda client: client.transactions.get_job_data(
        client.transactions.submit_job(**SPAN, limit=100, offset=1)
    ),
}


@profile()
@given(
    call=st.sampled_from(sorted(CALLS)),
    rows=st.sampled_from([0, 1, 3, 101]),
    times=st.sampled_from([1, 10**9]),
    quotes=st.booleans(),
    drawn=steps,
)
def test_any_answer_is_a_result_or_one_error(call: str, rows: int, times: int, quotes: bool, drawn: list[Step]) -> None:
    """Models, a number or a hash; or what went wrong and where. Without quotes nothing personal is told."""
    answered = {"list": "count", "data": "poll"}.get(call, call)
    api = HostileApi(rows, drawn, answered, times)
    with (
        RequestBudget("id", RequestRate(10_000, 1)) as budget,
        SonnysClient(
            "id",
            "key-4711",
            base_url="https://api.test/v1",
            budget=budget,
            max_retries=2,
            quotes_pages=quotes,
            sleep=lambda _: None,
        ) as client,
    ):
        client._transport._session.mount("https://", api)
        budget.cool_down = lambda: None  # type: ignore[method-assign]  # no test sleeps
        try:
            result = CALLS[call](client)
        except APIError as error:
            event(f"{call} refused: {type(error).__name__}")
            said = refused_well(error)
            assert quotes or PERSONAL not in said, said
            return
    event(f"{call} answered")
    if isinstance(result, list):
        assert all(isinstance(one, BaseModel) for one in result)
        if call != "sites":
            ids = [one.id if call == "poll" else one.trans_id for one in result]
            assert len(set(ids)) == len(ids)
    elif isinstance(result, int):
        assert 0 <= result <= MAX_TOTAL
    elif isinstance(result, str):
        assert 0 < len(result) <= 200
        assert result.isprintable()
    else:
        assert isinstance(result, JobData)
