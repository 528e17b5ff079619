"""The check of the history of the sites: what a person has to answer."""

from __future__ import annotations

from sonnys_pipeline.doctor.machine import Finding, State
from sonnys_pipeline.lake.dataset import Lake
from sonnys_pipeline.lake.errors import LakeError
from sonnys_pipeline.landing.sites.history import landed_sites_of


def check_sites(lake: Lake) -> Finding:
    """Whether the newest list of sites was taken, and each new code is known to be a new site or an old one."""
    subject = "sites"
    try:
        landed = landed_sites_of(lake)
    except LakeError as error:
        return Finding(subject, State.PROBLEM, str(error), "restore the file, or delete it and read the list again")
    if not landed.versions:
        return Finding(subject, State.OK, "no list is landed yet")
    listed = sum(version.valid_to is None for version in landed.versions)
    if landed.problems:
        return Finding(subject, State.WARNING, "; ".join(landed.problems), "see them with: sonnys sites list")
    return Finding(subject, State.OK, f"{listed} {'is' if listed == 1 else 'are'} listed, and nothing is to be asked")
