"""The answers of first contact, and their meaning for the settings (LV-05)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from sonnys_pipeline.client import TransactionJobItem, TransactionListItem, TransactionV2ListItem
from sonnys_pipeline.client.models import ApiModel
from sonnys_pipeline.client.site_codes import fold
from sonnys_pipeline.extract.events import JOB_SECONDS, LISTS_NEED_SITE, LOAD_JOB_NEEDS_SITE
from sonnys_pipeline.first_contact.evidence import Ends, Evidence, moment_of
from sonnys_pipeline.first_contact.shapes import absent_names, refused_field, shapes_of, unknown_names

#: Clock difference for a warning, in seconds; the API refuses requests from 300 on (contract, "Reaching it").
_CLOCK_WARNING = 60
_ONLINE = "e-comm"


@dataclass(frozen=True)
class Answer:
    """The answer to one question.

    Attributes:
        name: its key in files and the ledger.
        asks: the question.
        value: as JSON; None if not known.
        means: what follows for the settings.
        reason: why it is not known; empty if it is.
    """

    name: str
    asks: str
    value: Any
    means: str = ""
    reason: str = ""


def answers_of(found: Evidence, clock_difference: float | None) -> list[Answer]:
    """All answers, in the order to print; `clock_difference` is our clock minus the server's, in seconds."""
    return [
        _need_of_site(
            found,
            LOAD_JOB_NEEDS_SITE,
            "Must a load job name its site?",
            found.job_refused,
            "job_without_site",
            "keep the default SONNYS_LOAD_BY=site; the API refuses `all` for this key",
            "SONNYS_LOAD_BY=all works for this key, too, and fills pages better; the default `site` always works",
        ),
        _need_of_site(
            found,
            LISTS_NEED_SITE,
            "Must a list name its site?",
            found.list_refused,
            "list_without_site",
            "SONNYS_PROOF=count costs one request for each site and day",
            "SONNYS_PROOF=count costs one request a day",
        ),
        _ends(found, "list_ends", "Which ends of a list's range are included?", found.list_ends, "list_ends"),
        _ends(found, "job_ends", "Which ends of a load job's range are included?", found.job_ends, "job_data"),
        _same_hash(found),
        _empty_total(found, "empty_job_total", "What is the total of an empty load job?"),
        _empty_total(found, "empty_list_total", "What is the total of an empty list?"),
        _job_seconds(found),
        _fail_fields(found),
        _unknown_fields(found),
        _absent_fields(found),
        _refused_fields(found),
        _clock(clock_difference),
        _online_terminals(found),
        _site_codes(found),
        _budget_per(found),
    ]


def shapes_in(found: Evidence) -> dict[str, dict[str, Any]]:
    """Number of rows and kinds of their values, by source."""
    return {
        source: {"rows": len(rows), "fields": shapes_of(rows)} for source, (_, rows) in _rows_by_source(found).items()
    }


def _need_of_site(
    found: Evidence, name: str, asks: str, refused: bool | None, question: str, if_so: str, if_not: str
) -> Answer:
    if refused is None:
        return _unknown(found, name, asks, question)
    if not refused and found.narrowed:
        reason = "SONNYS_SITE_CODE limits every request to one site; remove it and ask again"
        return Answer(name, asks, None, "nothing, as long as SONNYS_SITE_CODE is set", reason)
    return Answer(name, asks, refused, if_so if refused else if_not)


def _ends(found: Evidence, name: str, asks: str, ends: Ends, question: str) -> Answer:
    on_end, on_start = ends.on_end, ends.on_start
    if found.instant is None:
        return _unknown(found, name, asks, "rows")
    if name == "job_ends" and _told_differently(found):
        return Answer(name, asks, None, reason="lists and load jobs have different instants for the same row")
    if on_end is None or on_start is None:
        return _unknown(found, name, asks, question, otherwise="the range had more rows than fit on one page")
    if not on_end and not ends.control:
        # Even a longer range lacks the row: the API may round times.
        reason = "a longer range did not have the row either: this API may cut times to whole seconds"
        return _unknown(found, name, asks, "job_control", otherwise=reason)
    value = {(True, True): "both", (True, False): "end", (False, True): "start"}.get((on_end, on_start), "neither")
    means = {
        "both": "nothing to set: a row exactly at the end of a day is kept in the next day only",
        "start": "nothing to set: rows exactly at midnight are read once",
        "end": "rows exactly at the start of a window are missing from its pages; please report this file",
        "neither": "rows exactly at midnight are in no window; please report this file",
    }[value]
    return Answer(name, asks, value, means)


def _told_differently(found: Evidence) -> bool:
    instant = found.instant
    return instant is not None and any(
        row.get("id") == instant.row_id and moment_of(row) != instant.at for row in found.job_rows
    )


def _same_hash(found: Evidence) -> Answer:
    name, asks = "same_hash", "Do the same criteria give the same hash?"
    if found.second_hash is None:
        return _unknown(found, name, asks, "jobs")
    same = found.second_hash == found.jobs["end"].job_hash
    means = "a submission without a response can be repeated without starting a second job"
    return Answer(
        name, asks, same, means if same else "a repeated submission starts a second job; no row is landed twice"
    )


def _empty_total(found: Evidence, name: str, asks: str) -> Answer:
    of_job = name == "empty_job_total"
    job = found.jobs.get("empty")
    page = (job.page if job else None) if of_job else found.empty_list
    if page is None and not of_job and found.instant is None and found.listed is not None:
        page = found.listed  # no site had rows, so this list is empty
    if page is None:
        return _unknown(found, name, asks, "job_data" if of_job else "empty_list")
    if page.total == "number":
        return Answer(name, asks, None, reason="the requested second has rows")
    return Answer(name, asks, page.total, "nothing to set: any of these is read as no rows")


def _job_seconds(found: Evidence) -> Answer:
    asks = "How long do load jobs take, in seconds?"
    jobs = found.jobs.values()
    passed = [job.passed_at for job in jobs if job.passed_at is not None]
    longer = max((job.working_at for job in jobs), default=0.0)
    if not passed:
        reason = found.failures.get("job_data", "")
        answer = _unknown(found, JOB_SECONDS, asks, "job_data")
        return Answer(JOB_SECONDS, asks, None, reason=f"{reason}; longer than {longer:.0f} s") if longer else answer
    value = {"longer_than": round(longer, 2), "at_most": round(max(passed), 2), "first_guess": round(min(passed), 2)}
    return Answer(JOB_SECONDS, asks, value, "the next run starts with this estimate and adjusts it")


def _fail_fields(found: Evidence) -> Answer:
    name, asks = "fail_fields", "Which fields does a failed load job have?"
    failed = [job.fail_fields for job in found.jobs.values() if job.fail_fields is not None]
    if not failed:
        return Answer(name, asks, None, reason="no load job failed")
    return Answer(name, asks, list(failed[0]), "nothing to set: a failed load job is submitted again as two halves")


def _unknown_fields(found: Evidence) -> Answer:
    name, asks = "unknown_fields", "Which fields of rows are unknown to the models?"
    value = _names_by_source(found, unknown_names)
    if not value:
        return _unknown(found, name, asks, "rows", otherwise="there were no rows")
    means = "they are kept in the column `extra`; please report this file" if any(value.values()) else "nothing to set"
    return Answer(name, asks, value, means)


def _absent_fields(found: Evidence) -> Answer:
    name, asks = "absent_fields", "Which fields of the models are missing from all rows?"
    value = _names_by_source(found, absent_names)
    if not value:
        return _unknown(found, name, asks, "rows", otherwise="there were no rows")
    means = "their columns stay null" if any(value.values()) else "nothing to set"
    if "transactionStatus" in value.get("job", ()):
        means = "SONNYS_STATES=auto, the default, takes plan flags and status from version-2"
    return Answer(name, asks, value, means)


def _names_by_source(
    found: Evidence, names: Callable[[type[ApiModel], dict[str, dict[str, int]]], list[str]]
) -> dict[str, list[str]]:
    return {source: names(model, shapes_of(rows)) for source, (model, rows) in _rows_by_source(found).items()}


def _refused_fields(found: Evidence) -> Answer:
    name, asks = "refused_fields", "Which fields do the models refuse?"
    by_source = {source: refused_field(model, rows) for source, (model, rows) in _rows_by_source(found).items()}
    if not by_source:
        return _unknown(found, name, asks, "rows", otherwise="there were no rows")
    value = {source: field for source, field in by_source.items() if field}
    return Answer(name, asks, value, "days with such rows fail; please report this file" if value else "nothing to set")


def _clock(difference: float | None) -> Answer:
    name, asks = "clock_seconds", "How far is this machine's clock ahead of the API's, in seconds?"
    if difference is None:
        return Answer(name, asks, None, reason="no response had the API's time")
    far = abs(difference) >= _CLOCK_WARNING
    # The header cuts the API's time to whole seconds, which adds half a second on average.
    return Answer(
        name,
        asks,
        round(difference - 0.5),
        "set the clock: the API refuses requests from 300 s on" if far else "nothing to set",
    )


def _online_terminals(found: Evidence) -> Answer:
    name, asks = "e_comm_rows", "How many rows come from terminals with E-Comm in their name?"
    rows = found.job_rows
    online = sum(_ONLINE in str(row.get("salesDeviceName")).lower() for row in rows)
    if not online:
        return _unknown(
            found, name, asks, "job_data", otherwise=f"none of {len(rows)} rows; other rows may come from some"
        )
    return Answer(name, asks, {"rows": online, "of": len(rows)}, "in-lane conversion excludes them")


def _site_codes(found: Evidence) -> Answer:
    name, asks = "site_codes", "Do the site list and the rows spell site codes alike?"
    if found.sites is None:
        return _unknown(found, name, asks, "sites")
    codes = [site.code for site in found.sites if site.code]
    in_rows = {str(row.get("locationCode")) for row in found.job_rows}
    value = {
        "sites": len(found.sites),
        "without_code": len(found.sites) - len(codes),
        "without_time_zone": sum(site.timezone is None for site in found.sites),
        "listed_in_two_spellings": len(set(codes)) - len({fold(code) for code in codes}),
        "in_rows": len(in_rows),
        "in_rows_spelt_otherwise": sum(code not in codes and _listed(code, codes) for code in in_rows),
        "in_rows_not_listed": sum(not _listed(code, codes) for code in in_rows),
    }
    means = "nothing to set: codes are compared without case, and stored as in the rows"
    if value["in_rows_not_listed"]:
        means = "some rows are from a site that is not listed: compare the count of a day with its rows"
    elif value["without_code"]:
        means = "load jobs cannot read a site without a code: set one in BackOffice"
    return Answer(name, asks, value, means)


def _listed(code: str, codes: Sequence[str]) -> bool:
    return fold(code) in {fold(known) for known in codes}


def _budget_per(found: Evidence) -> Answer:
    name, asks = "budget_per", "Is there one request budget for the API id, or one for each endpoint?"
    if found.leaves_room is None:
        return _unknown(found, name, asks, "block", otherwise="not asked; add --spend-a-block")
    if found.leaves_room:
        return Answer(
            name, asks, "endpoint", "nothing to set: we use one budget for all endpoints, which is on the safe side"
        )
    return Answer(name, asks, "api_id", "nothing to set: SONNYS_RATE_LIMIT covers everything that uses the API id")


def _unknown(found: Evidence, name: str, asks: str, question: str, *, otherwise: str = "") -> Answer:
    """An unknown answer, with the failure of the question that it depends on, or of an earlier one."""
    for known in dict.fromkeys((question, "job_data", "jobs", "rows") if "job" in question else (question, "rows")):
        if reason := found.failures.get(known):
            return Answer(name, asks, None, reason=reason)
    return Answer(name, asks, None, reason=otherwise or "not asked, because an answer that it needs is unknown")


def _rows_by_source(found: Evidence) -> dict[str, tuple[type[ApiModel], Sequence[Any]]]:
    """Rows and their model by source; sources without rows are left out."""
    every: dict[str, tuple[type[ApiModel], Sequence[Any]]] = {
        "job": (TransactionJobItem, found.job_rows),
        "list": (TransactionListItem, found.listed.rows if found.listed else ()),
        "version_2": (TransactionV2ListItem, found.version_2.rows if found.version_2 else ()),
    }
    return {source: known for source, known in every.items() if known[1]}
