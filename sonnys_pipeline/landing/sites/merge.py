"""A newly read list joined with the history of the sites.

No list changes what past business days are counted with: a new site begins, one that is no longer listed ends, and
a changed code, name or zone is a new version. Only a person changes the past (`answers.py`), and rows do: they
show since when a site has been there, and that two codes are one site.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from typing import Protocol
from zoneinfo import ZoneInfo

from sonnys_pipeline.calendar.site_history import is_zone
from sonnys_pipeline.client import Site
from sonnys_pipeline.client.site_codes import fold
from sonnys_pipeline.lake.errors import RowsWouldVanishError
from sonnys_pipeline.landing.sites.versions import SAID, Version, in_one_list, new_version, with_spellings
from sonnys_pipeline.runtime.text import first_few

#: Sites of a list that may be gone from the next one: a single one, or a quarter.
_GONE_SHARE = 4
#: Sites named in one sentence.
_NAMED = 5
#: Days between one code's end and another's beginning within which they may be one site.
_SOON = timedelta(days=7)
_DAY = timedelta(days=1)


class Evidence(Protocol):
    """What landed rows say of sites; codes are folded."""

    def first_row(self, names: Collection[str], before: date) -> datetime | None:
        """When the first landed row of a site was completed, if it lies in a day before `before`."""

    def unread_since(self, names: Collection[str], today: date) -> date:
        """First day at the end of which a site was no longer read, at the latest `today`."""

    def is_one_site(self, old: Collection[str], new: Collection[str]) -> bool:
        """Whether rows under both codes come from the same terminals, which no other site has."""


@dataclass(frozen=True)
class Merged:
    """The history with a list; `changes` in sentences; `questions`: pairs of an old and a new code to ask about."""

    versions: tuple[Version, ...]
    changes: tuple[str, ...]
    questions: tuple[tuple[str, str], ...]


def is_much_shorter(gone: int, known: int) -> bool:
    """Whether a list lacks so many of the known sites that it is rather a fault than a change."""
    return gone == known > 0 or gone > max(1, known // _GONE_SHARE)


def refuse_shorter(gone: Sequence[str], known: int) -> None:
    """Raise RowsWouldVanishError if a list lacks much of the known sites."""
    if is_much_shorter(len(gone), known):
        raise RowsWouldVanishError(
            f"sites: the list that came lacks {len(gone)} of {known} known sites ({first_few(gone, _NAMED)}); the "
            "known ones stay and are read on. If they are really gone, take the list: sonnys sites read "
            "--accept-shorter"
        )


class SiteMerge:
    """Joins one list with a history.

    Args:
        known: the versions so far; empty for the first list.
        listed_at: when the API sent the list, aware.
        evidence: what landed rows say.
        different: pairs of folded codes that a person has said to be two sites.
    """

    def __init__(
        self,
        known: Sequence[Version],
        listed_at: datetime,
        evidence: Evidence,
        different: Collection[tuple[str, str]] = (),
    ) -> None:
        self._sites: dict[str, list[Version]] = {}
        for version in known:
            self._sites.setdefault(version.site, []).append(version)
        self._at = listed_at
        self._evidence = evidence
        self._different = set(different)
        self._changes: list[str] = []
        self._why: dict[str, str] = {}

    def merge(self, listed: Sequence[Site], *, narrowed: bool = False, accepted: bool = False) -> Merged:
        """The history after a list.

        `narrowed`: the list was read under SONNYS_SITE_CODE, so it ends no other site. `accepted`: a person has
        said that it is complete.

        Raises:
            RowsWouldVanishError: the list is empty or much shorter than what is known.
        """
        if not self._sites:
            return Merged(tuple(in_one_list(listed)), (), ())
        current = [key for key, versions in self._sites.items() if versions[-1].valid_to is None]
        lists = {one.site: one for one in in_one_list(listed)}
        found = self._matches(list(lists.values()), current)
        gone = [key for key in current if key not in found.values() and not self._is_said(key)]
        if not narrowed and not accepted:
            refuse_shorter([self._sites[key][-1].label for key in gone], len(current))
        for listed_key, version in lists.items():
            if listed_key in found:
                self._update(found[listed_key], version)
            else:
                self._begin(version)
        if not narrowed:
            for key in gone:
                self._end(key)
        return self.review()

    def review(self) -> Merged:
        """The history after rows have landed: since when new sites have been there, and which codes are one site."""
        self._extend()
        questions = self._join_or_ask()
        return Merged(self.versions, tuple(self._changes), questions)

    @property
    def versions(self) -> tuple[Version, ...]:
        """All versions, by site."""
        return tuple(one for versions in self._sites.values() for one in versions)

    def _matches(self, lists: Sequence[Version], current: Sequence[str]) -> dict[str, str]:
        """Key in the list → known key: by code, then by number, name or rows."""
        found: dict[str, str] = {}

        def match(keys: Iterable[str], is_same: Callable[[Version, str], bool], why: str = "") -> None:
            for one in lists:
                if one.site in found:
                    continue
                same = [key for key in keys if key not in found.values() and is_same(one, key)]
                if len(same) == 1:
                    found[one.site] = same[0]
                    self._why[same[0]] = why

        def has_number(one: Version, key: str) -> bool:
            number = one.listed.site_id
            return number is not None and number == self._sites[key][-1].listed.site_id

        def has_name(one: Version, key: str) -> bool:
            name = fold(one.listed.name)
            alike = [other for other in lists if other.site not in found and fold(other.listed.name) == name]
            return bool(name) and len(alike) == 1 and fold(self._sites[key][-1].listed.name) == name

        match(current, lambda one, key: bool(one.names & self._sites[key][-1].names))
        match(current, has_number, ", with the same number")
        match(current, has_name, ", with the same name")
        match(current, lambda one, key: self._is_one_site(self._names(key), one.names), ", with the same terminals")
        gone = [key for key in self._sites if key not in current]
        match(gone, lambda one, key: bool(one.names & self._names(key)))
        return found

    def _begin(self, listed: Version) -> None:
        day = self._today(listed.zone)
        version = new_version(listed.listed, day, f"listed on {day}", self._sites)
        self._sites[version.site] = [replace(version, spellings=listed.spellings)]
        self._changes.append(f"{version.label} is new in the list")

    def _end(self, key: str) -> None:
        last = self._sites[key][-1]
        day = self._evidence.unread_since(last.names, self._today(last.zone))
        if last.valid_from is not None and day < last.valid_from:
            day = last.valid_from
        self._sites[key][-1] = replace(last, valid_to=day)
        self._changes.append(
            f"{last.label} is no longer listed: its days before {day} stay, later ones are not counted"
        )

    def _update(self, key: str, listed: Version) -> None:
        last, new = self._sites[key][-1], listed.listed
        today = self._today(last.zone)
        if last.valid_to is not None:
            begin = max(last.valid_to, today)
            last = replace(last, valid_from=begin, valid_to=None, because=f"listed again on {today}")
            self._sites[key].append(last)
            self._changes.append(f"{last.label} is listed again, and counted from {begin} on")
        for code in listed.spellings:
            if fold(code) in last.names:
                last = with_spellings(last, new.model_copy(update={"code": code, "timezone": None}))
        self._sites[key][-1] = last
        if new.site_id is not None and last.listed.site_id is None:
            self._sites[key][-1] = last.changed(site_id=new.site_id)
        if not last.names & listed.names:
            self._renew(key, today, f"code {last.label} changed to {new.code or 'none'}{self._why[key]}", code=new.code)
            self._sites[key][-1] = replace(self._sites[key][-1], spellings=listed.spellings)
        if new.name and new.name != last.listed.name:
            self._renew(key, today, f"name changed from {last.listed.name!r} to {new.name!r}", name=new.name)
        self._update_zone(key, listed)

    def _update_zone(self, key: str, listed: Version) -> None:
        versions, zone = self._sites[key], listed.zone
        last = versions[-1]
        if zone is None or zone == last.listed_timezone:
            return
        if zone == last.listed.timezone:
            versions[-1] = replace(last, listed_timezone=zone)
        elif all(one.valid_from is not None and one.zone is None for one in versions):
            # It was not counted for want of a zone, so no figure of the past changes.
            self._sites[key] = [replace(one.changed(timezone=zone), listed_timezone=zone) for one in versions]
            self._changes.append(f"the time zone of {last.label} is now known: {zone}")
        else:
            begin = max(self._today(last.zone), self._today(zone)) + _DAY
            self._renew(key, begin, f"zone changed from {last.listed.timezone or 'none'} to {zone}", timezone=zone)
            self._sites[key][-1] = replace(self._sites[key][-1], listed_timezone=zone)
            self._changes[-1] += (
                f"; business days before {begin} keep the old zone: if that one was always wrong, say so with "
                f"sonnys sites zone {last.label} {zone}"
            )

    def _renew(self, key: str, begin: date, because: str, **fields: object) -> None:
        """Begin a new version; one that has not begun yet is replaced."""
        last = self._sites[key][-1]
        if last.valid_from is not None and last.valid_from >= begin:
            self._sites[key][-1] = last.changed(f"{last.because}; {because}", **fields)
        else:
            self._sites[key][-1] = replace(last, valid_to=begin)
            self._sites[key].append(replace(last, valid_from=begin, valid_to=None).changed(because, **fields))
        self._changes.append(f"{last.label}: {because}")

    def _extend(self) -> None:
        """A new site begins with its first row, which may be landed later than the site is listed."""
        for versions in self._sites.values():
            first = versions[0]
            if first.valid_from is None or not first.spellings:
                continue
            if row := self._evidence.first_row(first.names, first.valid_from):
                day = row.astimezone(ZoneInfo(first.zone or "UTC")).date()
                if day < first.valid_from:
                    versions[0] = replace(first, valid_from=day)

    def _join_or_ask(self) -> tuple[tuple[str, str], ...]:
        """Make one site of a code that ended and one that began, if rows say so; return the pairs that are open."""
        questions = []
        ended = [key for key, versions in self._sites.items() if versions[-1].valid_to is not None]
        for key in list(self._sites):
            begun = self._sites.get(key, [])
            if not begun or begun[0].valid_from is None or not begun[0].spellings or key in ended:
                continue
            for old in [one for one in ended if one in self._sites]:
                last = self._sites[old][-1]
                assert last.valid_to is not None  # noqa: S101 - it has ended
                if not last.spellings or abs(last.valid_to - begun[0].valid_from) > _SOON:
                    continue
                if self._is_one_site(self._names(old), self._names(key)):
                    self.join(old, key, "rows of both codes come from the same terminals")
                    break
                if not self._is_different(self._names(old), self._names(key)):
                    questions.append((last.label, begun[-1].label))
        return tuple(questions)

    def join(self, old: str, new: str, because: str) -> None:
        """Make the site `new` the continuation of `old`."""
        before, after = self._sites[old], self._sites.pop(new)
        begin = after[0].valid_from or self._today(after[0].zone)
        if before[-1].valid_from is not None and before[-1].valid_from >= begin:
            begin = before[-1].valid_from + _DAY
        before[-1] = replace(before[-1], valid_to=begin)
        reason = f"code {before[-1].label} changed to {after[0].label}: {because}"
        joined = [replace(one, site=old) for one in after]
        joined[0] = replace(joined[0], valid_from=begin, because=reason)
        self._sites[old] = [*before, *joined]
        self._changes.append(reason)

    def _is_one_site(self, old: Collection[str], new: Collection[str]) -> bool:
        return not self._is_different(old, new) and self._evidence.is_one_site(old, new)

    def _is_different(self, old: Collection[str], new: Collection[str]) -> bool:
        return any((one, other) in self._different for one in old for other in new)

    def _is_said(self, key: str) -> bool:
        """Whether only a person has named the site: lists do not have it."""
        return self._sites[key][-1].listed_timezone is None and self._sites[key][0].because.startswith(SAID)

    def _names(self, key: str) -> frozenset[str]:
        return frozenset(name for one in self._sites[key] for name in one.names)

    def _today(self, zone: str | None) -> date:
        return self._at.astimezone(ZoneInfo(zone) if zone and is_zone(zone) else UTC).date()
