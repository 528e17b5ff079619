"""RB-02, RS-04: what people make up is told from what a machine makes."""

import base64
import random
import string
from collections.abc import Callable

import pytest

from sonnys_pipeline.config.key_strength import key_bits
from sonnys_pipeline.config.settings import WEAKEST_PII_KEY

MACHINE: dict[str, Callable[[random.Random], str]] = {
    "openssl rand -hex 16": lambda source: source.randbytes(16).hex(),
    "openssl rand -hex 32": lambda source: source.randbytes(32).hex(),
    "openssl rand -base64 32": lambda source: base64.b64encode(source.randbytes(32)).decode(),
    "32 letters and digits": lambda source: "".join(source.choices(string.ascii_letters + string.digits, k=32)),
}


@pytest.mark.parametrize("make", MACHINE.values(), ids=list(MACHINE))
def test_keys_of_a_machine_are_strong(make: Callable[[random.Random], str]) -> None:
    """None of two thousand is refused."""
    source = random.Random(7)
    assert min(key_bits(make(source)) for _ in range(2000)) > WEAKEST_PII_KEY


@pytest.mark.parametrize(
    "key",
    [
        "", "password12345678", "Passw0rd!Passw0rd!", "P@ssw0rd12345678", "kkkkkkkkkkkkkkkk", "a1a1a1a1a1a1a1a1",
        "abcdefghijklmnop", "1234567890123456", "qwertyuiopasdfgh", "changeme-changeme-2026", "my-key-my-key-my",
        "Summer2026!Summer2026!", "correct horse battery staple", "carwashcarwashcarwash",
    ],
)  # fmt: skip
def test_keys_of_people_are_weak(key: str) -> None:
    """Words, years, rows and repetitions, however long they are together."""
    assert key_bits(key) < WEAKEST_PII_KEY


def test_a_long_passphrase_is_strong() -> None:
    """Eight words that somebody has thrown dice for."""
    assert key_bits("orbit candle mosaic ferry tundra plaza widget hamlet") > WEAKEST_PII_KEY
