"""The list of forgotten customers, kept in the lake beside the tables (`forgotten.json`)."""

from __future__ import annotations

import secrets

from sonnys_pipeline.extract.pages.forgotten import Forgotten, read_list, write_list
from sonnys_pipeline.extract.pages.pii import Privacy
from sonnys_pipeline.lake.dataset import Lake
from sonnys_pipeline.lake.errors import LakeError, UnwritableLakeError

FILE = "forgotten.json"
#: Lock of its writers.
_LOCK = "forgotten"


def read_forgotten(lake: Lake) -> Forgotten:
    """The list; empty where there is none. Raises LakeError if it cannot be read: landing would bring people back."""
    path = lake.root / FILE
    try:
        return read_list(lake.storage.content(path))
    except FileNotFoundError:
        return Forgotten()
    except OSError as error:
        raise LakeError(f"{path} cannot be read ({error}); fix the permissions, or name another place") from error
    except ValueError as error:
        raise LakeError(f"{path} cannot be read ({error}); restore it from a copy, then run it again") from error


def refuse_outdated(lake: Lake, privacy: Privacy) -> None:
    """Refuse rows that were read before a customer was forgotten. Raises UnwritableLakeError."""
    if not read_forgotten(lake).digests <= privacy.forgotten.digests:
        raise UnwritableLakeError(
            f"{lake.root}: a customer was forgotten after this process had begun, and the rows that it read may have "
            "that customer; nothing was landed. Run it again: the new process leaves the customer out"
        )


def add_forgotten(lake: Lake, *numbers: str) -> Forgotten:
    """Add customer numbers and return the whole list. Raises LakeError if it cannot be read or written."""
    with lake.writing(_LOCK):
        kept = read_forgotten(lake)
        kept = kept if kept.salt else Forgotten(secrets.token_bytes(32))
        added = Forgotten(kept.salt, kept.digests | {kept.digest(number) for number in numbers})
        if added.digests != kept.digests:
            lake.storage.put(lake.root / FILE, lambda file: file.write(write_list(added)))
        return added
