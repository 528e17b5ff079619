"""The request budget in a PostgreSQL database, for sharers on several machines (BM-07).

pyrate-limiter's PostgreSQL bucket is not enough: it falls back to this machine's clock, refuses instead of queueing if
two ask at once, and handles departures and 429s in separate transactions. So there is one table,
`sonnys_request_budget`, with a few dozen lines per account, and one round trip per decision: atomic, under an advisory
lock of the account, by the server's clock.
"""

from __future__ import annotations

from sonnys_pipeline.client.rate_limit.store import StepWatch, Terms, unavailable
from sonnys_pipeline.runtime.postgres import Server, advisory_lock_key

#: The server's clock in milliseconds; read while holding the lock.
CLOCK = "(extract(epoch FROM clock_timestamp()) * 1000)::bigint"
#: Lock for creating the table, since sharers may start at the same time.
_CREATION_LOCK = 0x50_4E_4E_59_42
# Set explicitly: a database or connection pooler may have other defaults.
_BEGIN = """
BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE;
SET LOCAL statement_timeout = '5s';
SELECT pg_advisory_xact_lock({lock});
"""
_CREATE = """
CREATE TABLE IF NOT EXISTS sonnys_request_budget (account text NOT NULL, at bigint NOT NULL, is_429 boolean NOT NULL);
CREATE INDEX IF NOT EXISTS ix_sonnys_request_budget_account ON sonnys_request_budget (account);
COMMIT
"""
_ACQUIRE = """
WITH clock AS MATERIALIZED (SELECT {clock} AS now),
logged AS MATERIALIZED (SELECT at, is_429 FROM sonnys_request_budget WHERE account = {account}),
seen AS MATERIALIZED (
    SELECT now,
        coalesce(max(at) > now + {margin}, false) AS was_set_back,
        max(at) FILTER (WHERE is_429) AS last_429,
        (array_agg(at ORDER BY at DESC) FILTER (WHERE NOT is_429))[{requests}] AS permit_before
    FROM clock LEFT JOIN logged ON true GROUP BY now
),
decided AS MATERIALIZED (
    SELECT now, was_set_back, CASE
        WHEN was_set_back THEN {block}
        WHEN last_429 + {block} > now THEN last_429 + {block} - now
        WHEN permit_before + {block} > now THEN permit_before + {block} - now
        ELSE 0 END AS wait
    FROM seen
),
forgotten AS (
    DELETE FROM sonnys_request_budget USING decided
    WHERE account = {account} AND (was_set_back OR (wait = 0 AND at <= now - {block}))
),
written AS (
    INSERT INTO sonnys_request_budget (account, at, is_429)
    SELECT {account}, now, was_set_back FROM decided WHERE wait = 0 OR was_set_back
)
SELECT wait, now FROM decided;
COMMIT
"""
_COOL_DOWN = "INSERT INTO sonnys_request_budget (account, at, is_429) VALUES ({account}, {clock}, true); COMMIT"
_IN_USE = """
SELECT count(*) FROM sonnys_request_budget WHERE account = {account} AND NOT is_429 AND at > {clock} - {block};
COMMIT
"""


class PostgresStore:
    """One connection to the server; reopened after it was lost."""

    def __init__(self, url: str, terms: Terms) -> None:
        self._server = Server(url, variable="SONNYS_BUDGET_URL", application="budget")
        self.where = self._server.where
        self._terms, self._watch = terms, StepWatch(terms.margin_ms)
        self._values: dict[str, str | int] = {
            "account": terms.api_id_digest,
            "requests": terms.requests,
            "block": terms.block_ms,
            "margin": terms.margin_ms,
            "lock": advisory_lock_key(f"budget {terms.api_id_digest}"),
        }
        # Checked first: CREATE TABLE IF NOT EXISTS fails without the right to create, even if the table exists.
        if not self._ask("SELECT to_regclass('sonnys_request_budget') IS NOT NULL")[0]:
            self._ask(_BEGIN + _CREATE, lock=_CREATION_LOCK)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.where!r})"

    def acquire(self) -> int:
        """Log a departure if there is room now; a permit whose answer is lost stays unused."""
        sent = self._watch.now()
        wait, now = self._ask(_BEGIN + _ACQUIRE)
        if self._watch.stepped(now, sent):
            self.cool_down()
            return self._terms.block_ms
        return wait

    def cool_down(self) -> None:
        """Log a 429."""
        self._ask(_BEGIN + _COOL_DOWN)

    def permits_in_use(self) -> int:
        """Departures in the block that ends now."""
        return self._ask(_BEGIN + _IN_USE)[0]

    def close(self) -> None:
        """Close the connection."""
        self._server.close()

    def _ask(self, script: str, **more: int) -> tuple[int, ...]:
        try:
            return self._server.ask(script.replace("{clock}", CLOCK), {**self._values, **more})
        except self._server.errors as error:
            raise unavailable(self.where, error) from error
