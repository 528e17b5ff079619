"""Which API is simulated: as users found it, or as the vendor's document describes it.

Source: contract, "Where the live API departs from its document" (L1 to L18).
"""

from __future__ import annotations

from typing import Literal, TypeAlias

Api: TypeAlias = Literal["live", "documented"]
"""`live`: as users found the API. `documented`: as in the vendor's document."""
