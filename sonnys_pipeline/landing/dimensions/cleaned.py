"""Landed histories under a stricter policy on personal data than they were read under, and without one customer."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa

from sonnys_pipeline.extract.pages.pii import Privacy, privacy_problem
from sonnys_pipeline.extract.pages.transforms import Transform
from sonnys_pipeline.lake.errors import OtherSourceError
from sonnys_pipeline.lake.schema import EXTRA_COLUMN
from sonnys_pipeline.landing.dimensions.tables import Dimension


def under_policy(history: pa.Table, dimension: Dimension, kept: Mapping[str, str], privacy: Privacy) -> pa.Table:
    """A history under the present policy, without rows that would have no key; `kept` is its metadata.

    Raises OtherSourceError if nothing can bring it there.
    """
    if not history.num_rows or not dimension.personal or privacy.matches_metadata(kept):
        return history
    if problem := privacy_problem(kept, privacy):
        raise OtherSourceError(
            f"{dimension.asset}: {problem}; the landed history stays. Set the policy of before, or move the file away"
        )
    rows = [cleaned_row(row, dimension.personal, privacy.personal) for row in history.to_pylist()]
    named = [row for row in rows if all(row[name] is not None for name in dimension.key if name in dimension.personal)]
    return pa.Table.from_pylist(named, history.schema)


def cleaned_row(row: Mapping[str, Any], personal: Sequence[str], transform: Transform) -> dict[str, Any]:
    """A landed row with `transform` applied to its personal text; other personal values become null.

    Unknown fields keep their names.
    """
    cleaned = dict(row)
    for name in personal:
        column, _, part = name.partition(".")
        if part:
            cleaned[column] = [{**one, part: _clean(one[part], transform)} for one in cleaned[column] or []]
        else:
            cleaned[column] = _clean(cleaned[column], transform)
    if cleaned.get(EXTRA_COLUMN):
        names = dict.fromkeys(json.loads(cleaned[EXTRA_COLUMN]))
        cleaned[EXTRA_COLUMN] = json.dumps(names, sort_keys=True, ensure_ascii=False)
    return cleaned


def _clean(value: Any, transform: Transform) -> Any:  # noqa: ANN401 - any column's value
    return transform(value) if isinstance(value, str) else None
