"""Which API is simulated: the one that users found, or the one that the vendor's document describes.

Source: CONTRACT.md, "Where the live API departs from its document" (L1 to L18).
"""

from __future__ import annotations

from typing import Literal, TypeAlias

Api: TypeAlias = Literal["live", "documented"]
"""`live`: as people who run against the API found it. `documented`: as the vendor's document alone has it."""
