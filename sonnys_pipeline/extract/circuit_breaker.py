"""Stops sending to an API that keeps failing (BM-06)."""

from __future__ import annotations

from collections import deque


class CircuitBreaker:
    """Closed while requests succeed, open while they fail, broken when the probes fail too.

    It opens when `threshold` of the last `sample` outcomes are failures. It then allows one probe after `pause`
    seconds, the next after twice as long, and so on. A successful probe closes it; `probes` failed ones break it. So a
    failing API gets at most `sample` + in-flight + `probes` requests.
    """

    def __init__(self, pause: float, *, sample: int = 20, threshold: float = 0.8, probes: int = 5) -> None:
        self._first_pause = pause
        self._outcomes: deque[bool] = deque(maxlen=sample)
        self._threshold = threshold
        self._probes = probes
        self._failed_probes = 0
        self._closed = True
        self._probing = False
        self._next_probe = 0.0

    @property
    def is_closed(self) -> bool:
        """Whether requests are sent without delay."""
        return self._closed

    @property
    def is_broken(self) -> bool:
        """Whether every probe has failed."""
        return self._failed_probes >= self._probes

    def pause(self, now: float) -> float | None:
        """Seconds until a request may be sent; `None` while a probe is in flight."""
        if self._closed:
            return 0.0
        return None if self._probing else max(0.0, self._next_probe - now)

    def sent(self) -> None:
        """Record a request; in an open breaker it is the probe."""
        self._probing = not self._closed

    def succeeded(self) -> None:
        """Record a response that shows that the API works."""
        if not self._closed:
            self._closed, self._probing, self._failed_probes = True, False, 0
            self._outcomes.clear()
        self._outcomes.append(True)

    def inconclusive(self, now: float) -> None:
        """Record an inconclusive response such as a 429; a probe that got it is repeated."""
        if self._probing:
            self._probing = False
            self._next_probe = now + self._first_pause

    def failed(self, now: float) -> None:
        """Record a failure."""
        if self._closed:
            self._outcomes.append(False)
            failures = self._outcomes.count(False)
            if len(self._outcomes) == self._outcomes.maxlen and failures >= self._threshold * len(self._outcomes):
                self._closed, self._probing = False, False
                self._next_probe = now + self._first_pause
        elif self._probing:
            self._failed_probes += 1
            self._probing = False
            self._next_probe = now + self._first_pause * 2**self._failed_probes
