"""Pages with a row that cannot be parsed, kept for inspection (`{state}/quarantine`)."""

from __future__ import annotations

import json
import re
from pathlib import Path

from sonnys_pipeline.client import UnparsableRowError
from sonnys_pipeline.runtime.private_folder import private_folder, writable_state, write_private_file


def set_aside(folder: Path, key: str, error: UnparsableRowError) -> Path:
    """Save the raw page as JSON with id, field and reason, readable by its owner only; returns the file."""
    # The hash comes from the server; it must not choose the directory.
    path = folder / f"{key}-{re.sub(r'[^A-Za-z0-9_-]', '_', error.page_hash or 'page')}.json"
    content = {
        "day": key,
        "job_hash": error.page_hash,
        "row_id": error.row_id,
        "field": error.field,
        "reason": error.reason,
        "rows": list(error.page),
    }
    with writable_state(path):
        write_private_file(private_folder(folder) / path.name, json.dumps(content, ensure_ascii=False, indent=1))
    return path
