"""Numbers that depend on their names alone, and the forms in which the API writes times."""

from __future__ import annotations

import hashlib
from datetime import datetime


def number(*names: object) -> int:
    """A whole number of 64 bits; equal names give equal numbers."""
    text = "/".join(map(str, names))
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest())


def stamp(moment: datetime) -> str:
    """A UTC time as most endpoints write it: 2020-05-19T05:32:32.000Z."""
    return f"{moment:%Y-%m-%dT%H:%M:%S}.000Z"


def plain_stamp(moment: datetime) -> str:
    """A UTC time as lists of customers, accounts and gift cards write it: 2020-05-19 05:32:32."""
    return f"{moment:%Y-%m-%d %H:%M:%S}"
