"""Stops asking an API that does not answer (BM-06)."""

from __future__ import annotations

from collections import deque


class CircuitBreaker:
    """Closed while requests succeed; open, with growing pauses, while they do not; broken when probes fail, too.

    Of the last `sample` outcomes a share of `threshold` failing opens it. It then lets one probe through after
    `pause` seconds, the next after twice as long, and so on; one that succeeds closes it, `probes` that fail break it.
    So an API that fails every request is asked at most `sample` + those in flight + `probes` times.
    """

    def __init__(self, pause: float, *, sample: int = 20, threshold: float = 0.8, probes: int = 5) -> None:
        """Start closed.

        Args:
            pause: seconds before the first probe.
            sample: how many outcomes are looked at.
            threshold: share of failures that opens it.
            probes: how many failing probes break it.
        """
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
        """Whether requests go out as they come."""
        return self._closed

    @property
    def is_broken(self) -> bool:
        """Whether every probe has failed: asking on would only be a storm."""
        return self._failed_probes >= self._probes

    def pause(self, now: float) -> float | None:
        """Seconds until a request may be sent; 0 when it may now; `None` while a probe's answer is awaited."""
        if self._closed:
            return 0.0
        return None if self._probing else max(0.0, self._next_probe - now)

    def sent(self) -> None:
        """A request has left; in an open breaker it is the probe."""
        self._probing = not self._closed

    def succeeded(self) -> None:
        """An answer came that shows the API at work."""
        if not self._closed:
            self._closed, self._probing, self._failed_probes = True, False, 0
            self._outcomes.clear()
        self._outcomes.append(True)

    def told_nothing(self, now: float) -> None:
        """An answer that shows neither, such as a 429; a probe that got it is sent again."""
        if self._probing:
            self._probing = False
            self._next_probe = now + self._first_pause

    def failed(self, now: float) -> None:
        """An answer, or none, that shows it is not."""
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
