"""Pseudo-random numbers by name, and the API's time formats."""

from __future__ import annotations

import hashlib
from datetime import datetime


def number(*names: object) -> int:
    """A 64-bit integer that depends on the names only."""
    text = "/".join(map(str, names))
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest())


def timestamp(moment: datetime) -> str:
    """A UTC time as 2020-05-19T05:32:32.000Z, as most endpoints have it."""
    return f"{moment.isoformat()[:19]}.000Z"  # several times faster than strftime, and asked for each row


def plain_timestamp(moment: datetime) -> str:
    """A UTC time as 2020-05-19 05:32:32, as lists of customers, accounts and gift cards have it."""
    return moment.isoformat(" ")[:19]
