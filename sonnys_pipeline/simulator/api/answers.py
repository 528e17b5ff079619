"""Responses of endpoints before they are sent."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from pydantic_core import to_json
from starlette.requests import Request

from sonnys_pipeline.simulator.config import Account
from sonnys_pipeline.simulator.world.row_parts import Row

JSON = "application/json"


@dataclass(frozen=True, slots=True)
class Answer:
    """A response before it is sent; `outcome` is for the log."""

    status: int
    body: bytes
    outcome: str = "ok"
    media_type: str = JSON
    headers: dict[str, str] = field(default_factory=dict)
    job_created: bool = False
    rows: int = 0


Handler: TypeAlias = Callable[[Request, Account], Answer]


def list_answer(name: str, rows: Sequence[Row], *, page: int, limit: int, total: int, live: bool) -> Answer:
    """A page of a list; the live API has null for offset, limit and total of an empty list (L3)."""
    empty = live and total == 0
    place = (None, None, None) if empty else (page, limit, total)
    return Answer(200, to_json({"data": {name: rows, **dict(zip(("offset", "limit", "total"), place, strict=True))}}))
