"""Store the answers of first contact: in a file without personal data, and in the ledger."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from importlib.metadata import version
from pathlib import Path
from typing import Any

from sonnys_pipeline.backfill.workspace import Workspace
from sonnys_pipeline.client import PRODUCTION_URL
from sonnys_pipeline.config.settings import Settings, SettingsError
from sonnys_pipeline.doctor.machine import Finding, State, skipped, utc_now
from sonnys_pipeline.extract.events import JOB_SECONDS, LISTS_NEED_SITE, LOAD_JOB_NEEDS_SITE
from sonnys_pipeline.first_contact.answers import Answer, shapes_in
from sonnys_pipeline.first_contact.asking import Asker
from sonnys_pipeline.first_contact.evidence import Evidence
from sonnys_pipeline.landing.account_sites import keep_sites
from sonnys_pipeline.ledger.errors import LedgerError
from sonnys_pipeline.ledger.models import Knowledge
from sonnys_pipeline.ledger.service import JobService

_ONE_DAY = timedelta(days=1)


def document(answers: Sequence[Answer], found: Evidence, asker: Asker, at: datetime) -> dict[str, Any]:
    """Everything as JSON: shapes and counts, but no values, ids, names, site codes or addresses."""
    base_url = asker.client.base_url
    return {
        "version": version("sonnys-pipeline"),
        "asked_at": at.isoformat(timespec="seconds"),
        "api": "production" if base_url == PRODUCTION_URL else "sandbox" if "sandboxapi." in base_url else "other",
        "requests": len(asker.trail),
        "answers": {one.name: {"answer": one.value, "means": one.means, "reason": one.reason} for one in answers},
        "job_statuses": sorted(found.statuses),
        "shapes": shapes_in(found),
        "trail": [{"asked": sent.what, "outcome": sent.outcome, "seconds": sent.seconds} for sent in asker.trail],
    }


def write_file(told: Mapping[str, Any], state_dir: Path, at: datetime) -> Path:
    """Write the document into a new file of the state folder, readable only by its owner; may raise OSError."""
    path = state_dir / f"first-contact-{at:%Y%m%dT%H%M%SZ}.json"
    handle = os.open(path, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        json.dump(told, file, indent=2)
        file.write("\n")
    return path


def remember(jobs: JobService, api_id_digest: str, answers: Sequence[Answer], found: Evidence) -> None:
    """Store the known answers in the ledger; unknown ones do not replace earlier answers.

    Raises:
        LedgerError: the ledger cannot be written.
    """
    for answer in answers:
        if answer.value is not None:
            value = answer.value["first_guess"] if answer.name == JOB_SECONDS else answer.value
            jobs.knowledge.remember(api_id_digest, answer.name, value)
    if found.sites is not None and not found.narrowed:
        keep_sites(jobs, api_id_digest, found.sites)


def check_first_contact(settings: Settings) -> Finding:
    """The doctor's check: stored answers for the API id, and their age."""
    subject = "first contact"
    try:
        with Workspace(settings) as workspace:
            known = workspace.jobs.knowledge.recall_all(settings.api_id_digest)
    except (SettingsError, LedgerError):
        return skipped(subject, "the ledger cannot be opened")
    now = utc_now()
    told = [f"{text} ({_age(now - known[name].learned_at)})" for name, text in _spoken(known).items()]
    if not told:
        return Finding(
            subject,
            State.OK,
            "not done yet; run `sonnys first-contact` to ask what the API's documentation leaves open",
        )
    if _is_true(known, LOAD_JOB_NEEDS_SITE) and settings.load_by == "all" and not settings.site_code:
        remedy = f"set {settings.variable('load_by')}=site"
        return Finding(subject, State.PROBLEM, f"{'; '.join(told)}; {settings.variable('load_by')} is `all`", remedy)
    return Finding(subject, State.OK, "; ".join(told))


def _spoken(known: Mapping[str, Knowledge]) -> dict[str, str]:
    words: Mapping[str, Callable[[Any], str]] = {
        LOAD_JOB_NEEDS_SITE: lambda needed: f"load jobs {'must' if needed else 'need not'} name a site",
        LISTS_NEED_SITE: lambda needed: f"lists {'must' if needed else 'need not'} name a site",
        JOB_SECONDS: lambda seconds: f"load jobs take some {seconds:.1f} s",
        "job_ends": lambda ends: f"ends of a load job's range that are included: {ends}",
        "list_ends": lambda ends: f"ends of a list's range that are included: {ends}",
        "budget_per": lambda per: f"each {'endpoint' if per == 'endpoint' else 'API id'} has one request budget",
    }
    return {name: say(known[name].content) for name, say in words.items() if name in known}


def _is_true(known: Mapping[str, Knowledge], name: str) -> bool:
    return name in known and known[name].content is True


def _age(age: timedelta) -> str:
    days = max(age, timedelta(0)) // _ONE_DAY
    return "today" if not days else "1 day ago" if days == 1 else f"{days} days ago"
