"""What is known about an API id: its sites, and how the API was seen to behave (LV-05)."""

from __future__ import annotations

import json
from typing import Any

from sqlalchemy import select
from sqlalchemy.dialects import postgresql, sqlite

from sonnys_pipeline.ledger.models import Knowledge
from sonnys_pipeline.ledger.schema import api_knowledge
from sonnys_pipeline.ledger.store import LedgerPart, retried


class ApiKnowledge(LedgerPart):
    """Facts about an API id, the newest value per name: `JobService.knowledge`."""

    @retried
    def remember(self, api_id_digest: str, name: str, content: Any) -> Knowledge:  # noqa: ANN401 - whatever JSON can say
        """Store a value, replacing an older one."""
        known = Knowledge(content, self._store.now())
        values = {"content": json.dumps(content), "learned_at": known.learned_at}
        key = {"api_id_digest": api_id_digest, "name": name}
        with self._store.writing() as connection:
            # One statement: workers that start together may store the same fact at the same moment.
            insert = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
            line = insert(api_knowledge).values({**key, **values})
            connection.execute(line.on_conflict_do_update(index_elements=list(key), set_=values))
        return known

    @retried
    def recall(self, api_id_digest: str, name: str) -> Knowledge | None:
        """The value, or `None`."""
        this = (api_knowledge.c.api_id_digest == api_id_digest, api_knowledge.c.name == name)
        with self._store.reading() as connection:
            line = connection.execute(select(api_knowledge).where(*this)).one_or_none()
        return None if line is None else Knowledge(json.loads(line.content), line.learned_at)

    @retried
    def recall_all(self, api_id_digest: str) -> dict[str, Knowledge]:
        """All values by name."""
        query = select(api_knowledge).where(api_knowledge.c.api_id_digest == api_id_digest)
        with self._store.reading() as connection:
            lines = list(connection.execute(query.order_by(api_knowledge.c.name)))
        return {line.name: Knowledge(json.loads(line.content), line.learned_at) for line in lines}
