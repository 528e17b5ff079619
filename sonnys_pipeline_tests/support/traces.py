"""Whatever a run has left on disk, laid open: compressed columns, database rows, and the bytes of everything else."""

import json
import re
import sqlite3
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

#: Bytes of a run, bits of its hash, and bytes of the content that are hashed together.
_RUN, _HASH_BITS, _AT_ONCE = 4, 24, 1 << 20


@dataclass
class Traces:
    """What lies below a folder.

    Attributes:
        content: all of it as bytes: files as they are, and what is packed in them, unpacked.
        values: each text that is a value of its own: of a table's column, or in a JSON document.
        fields: the texts that stand under each name, in tables and in JSON documents.
        files: what was looked into.
    """

    content: bytes = b""
    values: set[str] = field(default_factory=set)
    fields: dict[str, set[str]] = field(default_factory=dict)
    files: list[Path] = field(default_factory=list)

    @classmethod
    def below(cls, *folders: Path) -> "Traces":
        """Look into every file."""
        traces = cls()
        chunks: list[bytes] = []
        for path in sorted(path for folder in folders for path in folder.rglob("*") if path.is_file()):
            traces.files.append(path)
            raw = path.read_bytes()
            chunks += [str(path).encode(), raw]
            if path.suffix == ".parquet":
                chunks += traces._table(path)
            elif raw.startswith(b"SQLite format 3"):
                chunks += traces._database(path)
            else:
                for document in (raw, *raw.splitlines()):
                    traces._document(document)
        traces.content = b"\n".join(dict.fromkeys(chunks))  # each once: hundreds of names are looked for in it
        return traces

    def of(self, *names: str) -> set[str]:
        """The texts that stand under any of these names."""
        return set().union(*(self.fields.get(name, set()) for name in names))

    def holds(self, text: str) -> bool:
        """Whether a text stands anywhere, plain or as JSON escapes it."""
        forms = {text.encode(), json.dumps(text)[1:-1].encode()}
        return any(self._may_hold(form) and form in self.content for form in forms)

    @cached_property
    def numbers(self) -> set[str]:
        """Whole numbers that stand alone."""
        return numbers_in(self.content)

    def _may_hold(self, form: bytes) -> bool:
        """Whether all runs of four bytes of a form are in the content somewhere: if not, the form is not.

        Most names are nowhere, and to read megabytes for each of them takes seconds; this takes no look at them.
        """
        return len(form) < _RUN or bool(self._runs[_runs_of(form)].all())

    @cached_property
    def _runs(self) -> "np.ndarray[Any, np.dtype[np.bool_]]":
        """Which runs of four bytes are in the content, by their hash; two runs may have the same one."""
        found = np.zeros(1 << _HASH_BITS, dtype=np.bool_)
        for begin in range(0, len(self.content), _AT_ONCE):
            found[_runs_of(self.content[begin : begin + _AT_ONCE + _RUN - 1])] = True
        return found

    def _table(self, path: Path) -> Iterator[bytes]:
        with pq.ParquetFile(path) as file:
            table = file.read()
            yield repr(file.schema_arrow.metadata).encode()
            yield from (value for pair in (file.metadata.metadata or {}).items() for value in pair)
        for row in table.to_pylist():
            yield from self._leaves(row, "")

    def _database(self, path: Path) -> Iterator[bytes]:
        with closing(sqlite3.connect(path)) as opened:
            names = [name for (name,) in opened.execute("select name from sqlite_master where type = 'table'")]
            for name in names:
                for row in opened.execute(f'select * from "{name}"'):  # noqa: S608 - names from the database itself
                    yield from self._leaves(list(row), "")

    def _document(self, text: bytes) -> None:
        with suppress(ValueError):
            for _ in self._leaves(json.loads(text), ""):
                pass

    def _leaves(self, value: Any, name: str) -> Iterator[bytes]:
        if isinstance(value, Mapping):
            for key, part in value.items():
                yield from self._leaves(part, str(key))
        elif isinstance(value, str):
            self.values.add(value)
            self.fields.setdefault(name, set()).add(value)
            yield value.encode()
            self._document_in(value)
        elif isinstance(value, bytes):
            with suppress(zlib.error):
                value = zlib.decompress(value)  # as Dagster keeps its snapshots
            yield value
            self._document(value)
        elif isinstance(value, Sequence):
            for part in value:
                yield from self._leaves(part, name)

    def _document_in(self, text: str) -> None:
        if text[:1] in {"{", "["}:
            self._document(text.encode())


def _runs_of(text: bytes) -> "np.ndarray[Any, np.dtype[np.uint32]]":
    """Hash of each run of four bytes of a text."""
    codes = np.frombuffer(text, dtype=np.uint8).astype(np.uint32)
    last = max(len(codes) - _RUN + 1, 0)
    runs = sum((codes[place : place + last] << np.uint32(8 * place) for place in range(_RUN)), np.uint32(0))
    # Multiplied by an odd number, neighbours among the letters fall far apart; it wraps around at 32 bits.
    return (runs * np.uint32(0x9E3779B1)) >> np.uint32(32 - _HASH_BITS)


def numbers_in(text: bytes) -> set[str]:
    """Whole numbers of four digits or more that stand alone, not as a part of a word or a fraction."""
    return {found.decode() for found in re.findall(rb"(?<![\w.])\d{4,}(?![\w.])", text)}
