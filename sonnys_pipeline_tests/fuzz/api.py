"""An API in memory, behind the HTTP library: three days of one site, one of them answered with what hypothesis drew."""

from __future__ import annotations

import copy
import gzip
import json
from collections import Counter
from dataclasses import dataclass, field
from io import BytesIO
from typing import Any
from urllib.parse import parse_qs, urlsplit

import requests
from requests.adapters import BaseAdapter
from urllib3 import HTTPResponse

from sonnys_pipeline.calendar.windows import Day
from sonnys_pipeline_tests.conftest import ROW
from sonnys_pipeline_tests.fuzz.answers import PERSONAL, Sent, Step, changed

DAYS = ("2026-03-09", "2026-03-10", "2026-03-11")
#: The day that is answered with what was drawn.
HOSTILE = DAYS[1]
#: Requests to one case that are plainly too many.
MOST_REQUESTS = 500

_PATHS = {
    "/v1/transaction/load-job": "submit",
    "/v1/transaction/get-job-data": "poll",
    "/v1/transaction": "count",
    "/v1/transaction/version-2": "states",
    "/v1/site/list": "sites",
}


def row(number: int, instant: str) -> dict[str, Any]:
    """A row whose personal fields are all marked."""
    made = copy.deepcopy(dict(ROW))
    made |= {"id": f"{number}:1", "number": number, "completeDate": instant, "customerId": f"{PERSONAL}-{number}"}
    for name in ("customerName", "vehicleLicensePlate", "employeeCashier", "employeeGreeter"):
        made[name] = f"{PERSONAL} {name}"
    for name in ("referenceNumber", "creditCardLastFour", "creditCardExpirationDate"):
        made["tenders"][0][name] = f"{PERSONAL} {name}"
    made["discount"] = [{"discountName": "Early", "appliedToItemName": "Silver Wash", "discountAmount": 1.0}]
    return made


@dataclass
class HostileApi(BaseAdapter):
    """Stands where the network begins.

    Attributes:
        rows_a_day: of each day.
        drawn: what becomes of the answers of the hostile day.
        operation: to which requests.
        times: how many of them; later ones are answered honestly.
        served: rows of the hostile day as they were sent last, page by page.
        counts: requests, by operation.
    """

    rows_a_day: int
    drawn: list[Step] = field(default_factory=list)
    operation: str = "poll"
    times: int = 10**9
    served: dict[str, Sent] = field(default_factory=dict)
    counts: Counter[str] = field(default_factory=Counter)
    jobs: dict[str, dict[str, int]] = field(default_factory=dict)

    def send(self, request: requests.PreparedRequest, **_: object) -> requests.Response:
        """Answer one request."""
        url = urlsplit(str(request.url))
        asked = {name: value[0] for name, value in parse_qs(url.query).items()}
        operation = _PATHS[url.path]
        self.counts[operation] += 1
        assert self.counts.total() < MOST_REQUESTS, "the requests do not end"
        if operation == "poll":
            # A hash that nobody gave is answered as one that has expired.
            criteria = self.jobs.get(asked["hash"], {})
            sent = Sent(self.page(asked["hash"], criteria)) if criteria else Sent({"type": "EntityNotFoundError"}, 404)
        else:
            criteria = {name: int(value) for name, value in asked.items() if value.isdecimal()}
            sent = Sent(self.list_page(operation, criteria))
        is_hostile = operation == "sites" or day_of(criteria) == HOSTILE
        if is_hostile and operation == self.operation and self.times > 0:
            self.times -= 1
            sent = changed(sent, self.drawn)
        if is_hostile and operation == "poll":
            self.served[asked["hash"]] = sent
        response = requests.Response()
        response.status_code = sent.status
        response.headers.update(sent.headers)
        response.raw = HTTPResponse(BytesIO(sent.body), sent.headers, sent.status, preload_content=False)
        response.request, response.url = request, str(request.url)
        return response

    def close(self) -> None:
        """Nothing to close."""

    def rows(self, criteria: dict[str, int]) -> list[dict[str, Any]]:
        """All rows of a span, ends included."""
        found = []
        for place, key in enumerate(DAYS):
            start = int(Day.of(key).start.timestamp())
            for number in range(self.rows_a_day):
                instant = start + 600 + number * 700
                if criteria["startDate"] <= instant <= criteria["endDate"]:
                    hour, rest = divmod(instant - start, 3600)
                    stamp = f"{key}T{hour:02}:{rest // 60:02}:{rest % 60:02}.000Z"
                    found.append(row(1000 * (place + 1) + number, stamp))
        return found

    def page(self, job_hash: str, criteria: dict[str, int]) -> dict[str, Any]:
        """The data of a job that has passed."""
        rows, offset, limit = self.rows(criteria), criteria["offset"], criteria["limit"]
        found = rows[(offset - 1) * limit : offset * limit]
        page = {"hash": job_hash, "status": "pass", "data": found, "offset": offset, "limit": limit, "total": len(rows)}
        return {"data": page}

    def list_page(self, operation: str, criteria: dict[str, int]) -> dict[str, Any]:
        """What the other endpoints answer."""
        if operation == "submit":
            job_hash = "-".join(str(criteria[name]) for name in ("startDate", "endDate", "offset"))
            self.jobs[job_hash] = criteria
            return {"data": {"hash": job_hash}}
        if operation == "sites":
            return {"data": {"sites": [{"siteID": 1, "code": "MAIN", "name": "Main", "timezone": "America/Chicago"}]}}
        rows, offset, limit = self.rows(criteria), criteria["offset"], criteria["limit"]
        found = [
            {
                "transNumber": one["number"],
                "transId": one["id"],
                "total": one["total"],
                "date": one["completeDate"],
                "customerId": one["customerId"],
                "isRecurringPlanSale": False,
                "isRecurringPlanRedemption": False,
                "transactionStatus": "Completed",
            }
            for one in rows[(offset - 1) * limit : offset * limit]
        ]
        return {"data": {"transactions": found, "offset": offset, "limit": limit, "total": len(rows)}}


def day_of(criteria: dict[str, int]) -> str:
    """The day that a request is about; empty where it is about none."""
    start = criteria.get("startDate")
    if start is None:
        return ""
    return next((key for key in DAYS if Day.of(key).start.timestamp() <= start < Day.of(key).end.timestamp()), "")


def sent_ids(sent: Sent) -> set[str]:
    """Ids in an answer as a parser of its bytes would find them; none where it finds nothing."""
    try:
        body = gzip.decompress(sent.body) if sent.headers.get("Content-Encoding") == "gzip" else sent.body
        document = json.loads(body.decode("utf-8-sig", "replace"))
    except (ValueError, OSError, EOFError):
        return set()
    data = document.get("data") if isinstance(document, dict) else None
    found = data.get("data") if isinstance(data, dict) else None
    return {str(one.get("id")) for one in found if isinstance(one, dict)} if isinstance(found, list) else set()
