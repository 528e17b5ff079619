"""Site codes: compared without case, since the API mixes it (contract, L7)."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from sonnys_pipeline.client.models import Site
from sonnys_pipeline.runtime.text import fold

__all__ = ["fold", "is_in", "named_codes", "unnamed_sites"]


def is_in(code: str | None, codes: Collection[str]) -> bool:
    """Whether a site is among others, in any spelling."""
    return fold(code) in {fold(one) for one in codes}


def named_codes(sites: Iterable[Site]) -> list[str]:
    """Codes that load jobs can name, in the list's order, each site once."""
    first: dict[str, str] = {}
    for site in sites:
        if site.code and fold(site.code):
            first.setdefault(fold(site.code), site.code)
    return list(first.values())


def unnamed_sites(sites: Iterable[Site]) -> list[str]:
    """Names of the sites without a code, which load jobs cannot name."""
    return [site.name for site in sites if not fold(site.code)]
