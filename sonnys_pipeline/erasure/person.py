"""What is kept of one customer: found in tables, archives and quarantine, and searched for afterwards."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sonnys_pipeline.client.bodies import parse_json
from sonnys_pipeline.erasure import lists
from sonnys_pipeline.erasure.files import contents, landed_files, quarantined
from sonnys_pipeline.extract.pages.forgotten import PERSONAL_NAMES, customer_of, personal_values
from sonnys_pipeline.lake.dataset import Lake
from sonnys_pipeline.landing.archive import ARCHIVE, STATES_ARCHIVE

#: Shorter values are parts of other numbers by chance, so they are searched for as values of personal fields only.
_TELLING = 6
_ROWS = frozenset({"transactions", "transactions_today", "transaction_states"})


@dataclass
class Person:
    """One customer.

    Attributes:
        numbers: the customer number, and its hash where there is a key.
        sales: ids of the customer's transactions.
        values: names, plates, card digits and references of these.
        shared: those of them that rows of others have, too; these rows stay, so they cannot be searched for.
    """

    numbers: frozenset[str]
    sales: set[str] = field(default_factory=set)
    values: set[str] = field(default_factory=set)
    shared: set[str] = field(default_factory=set)

    def is_theirs(self, number: object) -> bool:
        """Whether a customer number is this customer's."""
        return number is not None and str(number) in self.numbers

    def owns(self, row: Mapping[str, Any]) -> bool:
        """Whether a row of a table belongs to this customer: by customer number, or by transaction if it has none.

        Ids of transactions are unique in one database of the API only, so a row of another customer may have the same.
        """
        if row.get("customer_id") not in {None, ""}:
            return self.is_theirs(row["customer_id"])
        return bool({row.get("transaction_id"), row.get("id")} & self.sales)


def find(lake: Lake, state_dir: Path, numbers: Iterable[str]) -> Person:
    """A customer's transactions and values. Raises LakeError if a file cannot be read."""
    person, others = Person(frozenset(numbers)), set[str]()
    for number, values in lists.rows_of(lake):
        (person.values if person.is_theirs(number) else others).update(values)
    for row in _rows(lake, state_dir):
        if person.is_theirs(customer_of(row)):
            person.values |= personal_values(row)
            person.sales |= {str(row[name]) for name in ("id", "transaction_id", "transId") if row.get(name)}
    for row in _rows(lake, state_dir):
        own = {str(row.get(name)) for name in ("id", "transaction_id", "transId")} & person.sales
        if own and customer_of(row) is None:  # its state alone has the number
            person.values |= personal_values(row)
        elif not person.is_theirs(customer_of(row)):
            others |= personal_values(row)
    person.values -= person.numbers
    person.shared = person.values & others
    return person


def search(lake: Lake, state_dir: Path, person: Person) -> tuple[int, list[str]]:
    """How many files were searched, and which of them still have a value of this customer."""
    pattern = _pattern((person.values | person.numbers) - person.shared)
    searched, found = 0, []
    for name, content in contents(lake, state_dir):
        searched += 1
        if pattern.search(content):
            found.append(name)
    return searched, found


def _rows(lake: Lake, state_dir: Path) -> Iterator[dict[str, Any]]:
    for asset, day in landed_files(lake):
        if asset in _ROWS:
            yield from lake.read(asset, None if day is None else [day]).to_pylist()
        elif asset in {ARCHIVE, STATES_ARCHIVE} and day is not None:
            name = "data" if asset == ARCHIVE else "transactions"
            for body in lake.read(asset, [day], ["body"])["body"].to_pylist():
                yield from _objects(_page(body).get(name))
    for path in quarantined(state_dir):
        yield from _objects(json.loads(path.read_bytes()).get("rows"))


def _page(body: bytes) -> dict[str, Any]:
    answer = parse_json(body, "an archived page")
    page = answer.get("data") if isinstance(answer, dict) else None
    return page if isinstance(page, dict) else {}


def _objects(rows: object) -> list[dict[str, Any]]:
    return [row for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []


def _pattern(values: Iterable[str]) -> re.Pattern[bytes]:
    """Long values as words anywhere, short ones as values of personal fields; in the spellings of JSON and HTML."""
    parts, names = [], "|".join((*PERSONAL_NAMES, *lists.COLUMNS, "old", "new"))
    for value in sorted(values):
        spellings = {value, json.dumps(value)[1:-1], json.dumps(value, ensure_ascii=False)[1:-1], html.escape(value)}
        escaped = b"|".join(sorted(re.escape(text.encode("utf-8", "surrogatepass")) for text in spellings))
        if len(value) < _TELLING:
            parts.append(rb'"(?:%b)"\s*:\s*"?(?:%b)"?\s*[,}]' % (names.encode(), escaped))
        else:
            parts.append(rb"(?<![0-9A-Za-z])(?:%b)(?![0-9A-Za-z])" % escaped)
    return re.compile(b"|".join(parts) or rb"(?!)")
