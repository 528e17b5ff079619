"""Footers of Parquet files that the process has read, so that each version of a file is parsed once."""

from __future__ import annotations

import threading
from collections import OrderedDict

import pyarrow.parquet as pq


class Footers:
    """Cache of the `most` footers used last, shared by all lakes of the process."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._kept: OrderedDict[str, pq.FileMetaData] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: str) -> pq.FileMetaData | None:
        """A kept footer."""
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
            return self._kept.get(key)

    def keep(self, key: str, footer: pq.FileMetaData) -> None:
        """Keep a footer; the least recently used one is dropped."""
        with self._lock:
            self._kept[key] = footer
            while len(self._kept) > self._most:
                self._kept.popitem(last=False)


#: Of files that never change once they are written, or that cost a request.
FOOTERS = Footers(8192)
#: Of files on this machine, which are read again in a millisecond: up to 90 kB of memory each.
LOCAL_FOOTERS = Footers(400)
