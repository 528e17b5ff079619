"""BM-04: SIGTERM and SIGINT, sent to a real process: the first asks for a checkpoint, the second leaves at once."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from sonnys_pipeline.runtime.signals import graceful

SIGNALS = [signal.SIGTERM, signal.SIGINT]
PATIENCE = 30.0

#: A run that leaves as the command line does, or, where `stubborn`, never by itself.
CHILD = """
import sys, time
from sonnys_pipeline.runtime.signals import graceful

def stop(reason):
    print("stop:", reason, flush=True)
    asked.append(reason)

asked, stubborn = [], sys.argv[1] == "stubborn"
try:
    with graceful(stop) as received:
        print("ready", flush=True)
        while stubborn or not asked:
            time.sleep(0.01)
    print("checkpoint", received, flush=True)
    raise SystemExit(128 + received[0])
finally:
    print("cleaned up", flush=True)
"""


@contextmanager
def child(how: str) -> Iterator[subprocess.Popen[str]]:
    """A process that has just entered `graceful`."""
    root = Path(__file__).parents[3]
    command = [sys.executable, "-c", CHILD, how]
    with subprocess.Popen(command, cwd=root, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            yield process
        finally:
            process.kill()


def next_line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


@pytest.mark.parametrize("number", SIGNALS)
def test_the_first_signal_asks_for_a_checkpoint(number: signal.Signals) -> None:
    """`stop` is called with the signal's name; the run goes on to its end, which knows the exit code."""
    with child("orderly") as process:
        process.send_signal(number)
        assert next_line(process) == f"stop: {number.name} received"
        assert next_line(process) == f"checkpoint [{number.value}]"
        assert next_line(process) == "cleaned up"
        assert process.wait(PATIENCE) == 128 + number


@pytest.mark.parametrize("first", SIGNALS)
@pytest.mark.parametrize("second", SIGNALS)
def test_the_second_signal_leaves_at_once(first: signal.Signals, second: signal.Signals) -> None:
    """Whichever it is, with its own exit code, and without any cleaning up that might hang."""
    with child("stubborn") as process:
        process.send_signal(first)
        assert next_line(process) == f"stop: {first.name} received"
        process.send_signal(second)
        assert process.wait(PATIENCE) == 128 + second
        assert next_line(process) == ""


@pytest.mark.parametrize("number", SIGNALS)
def test_handlers_are_put_back(number: signal.Signals) -> None:
    """What the program did about signals before, it does again; also when it leaves by an exception."""
    before, asked = signal.getsignal(number), list[str]()

    def run() -> None:
        with graceful(asked.append) as received:
            assert signal.getsignal(number) is not before
            signal.raise_signal(number)
            assert received == [number]
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        run()
    assert asked == [f"{number.name} received"]
    assert signal.getsignal(number) is before


def test_another_thread_changes_nothing() -> None:
    """Only the main thread may handle signals: elsewhere the handlers stay, and what is inside runs all the same."""
    before = [signal.getsignal(number) for number in SIGNALS]

    def run() -> tuple[list[int], list[object]]:
        with graceful(lambda _: None) as received:
            return received, [signal.getsignal(number) for number in SIGNALS]

    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(run).result(PATIENCE) == ([], before)
