"""Answers of a list, kept until it is landed: a reading that was killed asks again only for what was under way (RS-02).

They lie in the lake, in a hidden folder that readers skip, treated by the policies on personal data.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from sonnys_pipeline.client import SonnysError
from sonnys_pipeline.client.transport import Response
from sonnys_pipeline.extract.lists.policy import ListPolicy
from sonnys_pipeline.lake.storage.folder import LakePath, Storage

#: Folder of unfinished readings at the root of the lake.
READINGS = ".readings"
#: A list changes while it is read, so an older reading begins anew.
LONGEST = timedelta(hours=6)
_BEGUN = "begun.json"


class ReadingStoppedError(Exception):
    """A reading was asked to end; what was answered is kept. The message says why."""


class Watch:
    """Receives each request of a reading, in the thread that sends it; a subclass overrides what it needs."""

    def before(self) -> None:
        """A request is about to be sent; raise `ReadingStoppedError` to end the reading."""

    def asked(self, path: str, params: Mapping[str, Any], sent_at: datetime, error: SonnysError | None) -> None:
        """A request was answered, or failed with `error`."""


class KeptAnswers:
    """The answers of one reading; thread-safe. `begun_at` is when it began, also if it was interrupted since."""

    def __init__(
        self,
        storage: Storage,
        name: str,
        policy: ListPolicy,
        now: datetime,
        of_whom: Mapping[str, str],
        watch: Watch | None = None,
    ) -> None:
        """Continue the reading `name` of the same account under the same policies, or begin one.

        Raises UnreachableLakeError or UnwritableLakeError if the lake is away.
        """
        self._storage = storage
        self._folder: LakePath = storage.root / READINGS / name
        self._policy = policy
        self._watch = watch or Watch()
        scope = {**of_whom, **policy.scope}
        self._kept = set(storage.below(self._folder))
        begun = self._begun()
        if begun is not None and begun["scope"] == scope and now - datetime.fromisoformat(begun["at"]) < LONGEST:
            self.begun_at = datetime.fromisoformat(begun["at"])
            return
        self.clear()
        self.begun_at = now
        content = json.dumps({"at": now.isoformat(), "scope": scope}).encode()
        storage.put(self._folder / _BEGUN, lambda file: file.write(content))
        self._kept = {_BEGUN}

    @property
    def known(self) -> int:
        """Answers that need not be asked for."""
        return len(self._kept - {_BEGUN})

    def answer(self, path: str, params: Mapping[str, Any], ask: Callable[[], Response]) -> Response:
        """The kept answer to a request, or a new one, which is kept. Errors are not kept."""
        name = _name(path, params)
        where = f"GET {path}"
        if name in self._kept:
            try:
                return Response(200, self._storage.content(self._folder / name), where=where)
            except FileNotFoundError:  # removed by a person
                self._kept.discard(name)
        self._watch.before()
        sent_at = datetime.now(UTC)
        try:
            answered = ask()
        except SonnysError as error:
            self._watch.asked(path, params, sent_at, error)
            raise
        self._watch.asked(path, params, sent_at, None)
        content = self._policy.clean(path, answered.content)
        self._storage.put(self._folder / name, lambda file: file.write(content))
        self._kept.add(name)
        return Response(answered.status, content, answered.date, where)

    def clear(self) -> None:
        """Remove the answers: the list is landed, or to be read anew. What began it goes last."""
        for name in sorted(self._kept, key=lambda name: name == _BEGUN):
            self._storage.remove(self._folder / name)
        self._kept = set()

    def _begun(self) -> dict[str, Any] | None:
        if _BEGUN not in self._kept:
            return None
        try:
            begun = json.loads(self._storage.content(self._folder / _BEGUN))
            datetime.fromisoformat(begun["at"])
        except (OSError, ValueError, KeyError, TypeError):
            return None
        return begun if isinstance(begun.get("scope"), dict) else None


def _name(path: str, params: Mapping[str, Any]) -> str:
    asked = json.dumps([path, sorted((name, str(value)) for name, value in params.items() if value is not None)])
    return f"{hashlib.sha256(asked.encode()).hexdigest()[:32]}.json"
