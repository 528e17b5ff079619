"""Pages that hold a row which could not be parsed, set aside for inspection (`{state}/quarantine`)."""

from __future__ import annotations

import json
import re
from pathlib import Path

from sonnys_pipeline.client import UnparsableRowError
from sonnys_pipeline.runtime.private_folder import private_folder, writable_state, write_private_file


def set_aside(folder: Path, key: str, error: UnparsableRowError) -> Path:
    """Keep the raw page of an unparsable row for inspection; readable by its owner alone.

    Returns:
        The file: JSON with the id, the field, the reason and the page's raw rows.

    Raises:
        StateUnwritableError: when it cannot be written.
    """
    # The hash is the server's word: it names the file, not the folder.
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
