"""Fetches a load job's page in a worker thread: protects personal data, parses, and keeps the raw page if wanted."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from sonnys_pipeline.client import JobData, JobFailedError, LoadJobStatus
from sonnys_pipeline.client.bodies import sanitize
from sonnys_pipeline.extract.pages.page import PageRows, RawPage, parse_page
from sonnys_pipeline.extract.pages.pii import Policy, Privacy
from sonnys_pipeline.extract.protocols import LoadJobApi


@dataclass(frozen=True)
class PageReader:
    """Reads responses of `get-job-data`; `keeps_pages`: whether pages carry their raw body, after `privacy`."""

    privacy: Privacy = field(default_factory=Privacy)
    keeps_pages: bool = False
    now: Callable[[], datetime] = lambda: datetime.now(UTC)

    def read(self, api: LoadJobApi, job_hash: str, params: Mapping[str, Any]) -> PageRows | JobData:
        """Poll a job once; its page, or its status if not passed. Raises JobFailedError or ResponseFormatError."""
        body = api.get_job_body(job_hash)
        where = f"load job {job_hash}"
        sanitized = sanitize(body, where)
        if self.privacy.policy is not Policy.KEEP or self.privacy.forgotten.digests:
            body = self.privacy.apply(sanitized.content, where)
            sanitized = replace(sanitized, content=body)
        page = parse_page(job_hash, sanitized)
        if isinstance(page, JobData):
            if page.status is LoadJobStatus.FAIL:
                raise JobFailedError(job_hash, params, page.body)
            return page
        return replace(page, raw=RawPage.of(job_hash, self.now(), body)) if self.keeps_pages else page
