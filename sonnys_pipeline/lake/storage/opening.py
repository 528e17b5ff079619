"""Open the storage that a root names."""

from __future__ import annotations

import os

from sonnys_pipeline.lake.storage.folder import FolderStorage, Storage, is_url


def open_storage(root: str | os.PathLike[str]) -> Storage:
    """The storage of a folder, or of an object store's URL. Raises LakeError for an unknown kind or driver."""
    if not isinstance(root, str) or not is_url(root):
        return FolderStorage(root)
    from sonnys_pipeline.lake.storage.objects import ObjectStorage  # noqa: PLC0415 - a folder needs no fsspec

    return ObjectStorage(root)
