"""The request budget in a Redis server, for sharers on several machines (BM-07).

pyrate-limiter's Redis bucket is not enough: it uses each sharer's clock, and handles departures and 429s in separate
commands. So each decision is one script, run atomically by the server with its own clock. The keys expire a block after
the last request.

A Redis that was restarted, failed over to a lagging replica, or ran out of memory may have forgotten departures and
would give them out again. So each caller names its last permit; a server that should know it and does not gives no
permit for one block.
"""

from __future__ import annotations

import secrets
from typing import Any

from sonnys_pipeline.client.rate_limit.store import StepWatch, Terms, unavailable

#: The server's clock in milliseconds.
CLOCK = "local time = redis.call('TIME') local now = time[1] * 1000 + math.floor(time[2] / 1000)"
#: Seconds without an answer after which the server counts as away.
TIMEOUT = 3.0
#: How much longer than a block the keys live, in milliseconds.
_AFTERLIFE = 60_000
# KEYS: departures (a sorted set of instants), the last 429. ARGV: requests, block, margin, name of the new permit, name
# and instant of the caller's last permit.
_ACQUIRE = """
local requests, block, margin = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local last = tonumber(redis.call('GET', KEYS[2]) or '-1')
local newest = tonumber(redis.call('ZRANGE', KEYS[1], -1, -1, 'WITHSCORES')[2] or '-1')
local instant, clock = tonumber(ARGV[6]), string.format('%.0f', now)
local should_know = instant > last and instant + block > now and instant <= now + margin
if (should_know and not redis.call('ZSCORE', KEYS[1], ARGV[5])) or math.max(last, newest) > now + margin then
    redis.call('DEL', KEYS[1])
    redis.call('SET', KEYS[2], string.format('%.0f', now), 'PX', block + {afterlife})
    return {block, -1, clock}
end
if last >= 0 and last + block > now then return {last + block - now, -1, clock} end
local permit_before = redis.call('ZRANGE', KEYS[1], -requests, -requests, 'WITHSCORES')[2]
if permit_before and tonumber(permit_before) + block > now then
    return {tonumber(permit_before) + block - now, 0, clock}
end
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', string.format('%.0f', now - block))
redis.call('ZADD', KEYS[1], string.format('%.0f', now), ARGV[4])
redis.call('PEXPIRE', KEYS[1], block + {afterlife})
return {0, clock, clock}
"""
_COOL_DOWN = """
redis.call('SET', KEYS[2], string.format('%.0f', now), 'PX', tonumber(ARGV[2]) + {afterlife})
return {0, 0}
"""
_IN_USE = """
return {redis.call('ZCOUNT', KEYS[1], string.format('(%.0f', now - tonumber(ARGV[2])), '+inf'), 0}
"""


class RedisStore:
    """A connection to the server; reopened after it was lost."""

    def __init__(self, url: str, terms: Terms) -> None:
        try:
            import redis  # noqa: PLC0415 - an extra
            from redis.backoff import NoBackoff  # noqa: PLC0415 - the same
            from redis.retry import Retry  # noqa: PLC0415 - the same
        except ImportError:
            raise ValueError("SONNYS_BUDGET_URL: Redis needs a driver: pip install 'sonnys-pipeline[redis]'") from None
        try:
            # The driver must not retry: waiting is decided in one place.
            self._client: Any = redis.Redis.from_url(
                url, socket_timeout=TIMEOUT, socket_connect_timeout=TIMEOUT, retry=Retry(NoBackoff(), 0)
            )
            pool = self._client.connection_pool
            pool.connection_class(**pool.connection_kwargs)  # does not connect, but checks all parameters
        except (ValueError, TypeError):
            raise ValueError(
                "SONNYS_BUDGET_URL: cannot be read; write redis://:password@host:6379/0, or rediss:// for TLS, with "
                "special characters of the password written as %40 and the like"
            ) from None
        self._errors: tuple[type[Exception], ...] = (redis.RedisError, OSError)
        at = pool.connection_kwargs
        self.where = (
            f"redis://{at.get('host') or at.get('path') or 'localhost'}:{at.get('port', 6379)}/{at.get('db', 0)}"
        )
        # The braces keep both keys on one node of a cluster.
        self._keys = [f"sonnys:budget:{{{terms.api_id_digest}}}:{name}" for name in ("departures", "last_429")]
        self._terms, self._watch = terms, StepWatch(terms.margin_ms)
        self._last_permit, self._last_instant = "", 0
        self.permits_in_use()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.where!r})"

    def acquire(self) -> int:
        """Log a departure if there is room now; a permit whose answer is lost stays unused."""
        permit = secrets.token_hex(8)
        sent = self._watch.now()
        wait, instant, now = self._ask(_ACQUIRE, permit, self._last_permit, self._last_instant)
        if self._watch.stepped(now, sent):
            self.cool_down()
            self._last_permit, self._last_instant = "", 0
            return self._terms.block_ms
        if wait == 0:
            self._last_permit, self._last_instant = permit, instant
        elif instant < 0:  # all wait for a block: earlier permits no longer matter
            self._last_permit, self._last_instant = "", 0
        return wait

    def cool_down(self) -> None:
        """Log a 429."""
        self._ask(_COOL_DOWN)

    def permits_in_use(self) -> int:
        """Departures in the block that ends now."""
        return self._ask(_IN_USE)[0]

    def close(self) -> None:
        """Close the connection."""
        self._client.close()

    def _ask(self, script: str, *more: str | int) -> tuple[int, ...]:
        text = f"{CLOCK}\n{script.replace('{afterlife}', str(_AFTERLIFE))}"
        arguments = (self._terms.requests, self._terms.block_ms, self._terms.margin_ms, *more)
        try:
            answer = self._client.eval(text, len(self._keys), *self._keys, *arguments)
        except self._errors as error:
            raise unavailable(self.where, error) from error
        return tuple(map(int, answer))
