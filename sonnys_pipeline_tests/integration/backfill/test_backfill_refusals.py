"""BX-03, BX-04, BX-07: what `sonnys backfill` refuses, in one line and before anything is changed or requested."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from sonnys_pipeline.calendar.windows import first_kept_day
from sonnys_pipeline_tests.support.pipelines.backfills import Desk, days_ago, last_days

FIVE = last_days(5)
HEADER = "date;note\r\n"


@pytest.fixture
def desk(desk: Desk) -> Desk:
    """A desk that was used before: its ledger is there."""
    desk.types("list")
    return desk


def refused(desk: Desk, *arguments: str | Path, exit_code: int) -> str:
    """The one line on stderr of a command that was refused; nothing else was said, changed or requested."""
    before, asked = desk.everything(), desk.requests
    result = desk.types(*arguments, exit_code=exit_code)
    assert result.stdout == ""
    (line,) = result.stderr.splitlines()
    assert line.startswith("Error: ")
    assert desk.everything() == before
    assert desk.requests == asked
    return line


def test_a_job_that_nobody_approved(desk: Desk) -> None:
    """Exit code 3, and the command to type; once it is typed, the job runs."""
    job = desk.preview(FIVE[:1])

    said = refused(desk, "run", job, exit_code=3)

    assert said.endswith(f"type: sonnys backfill approve {job}")
    desk.types("approve", job)
    desk.types("run", job)


def test_mode_auto_runs_unasked(desk: Desk) -> None:
    """`--mode auto` needs no approval, and the job keeps its choice."""
    job = desk.preview(FIVE[:1])

    assert desk.asks("run", job, "--mode", "auto")["success"]

    assert desk.asks("status", job)["mode"] == "auto"


@pytest.mark.parametrize(
    ("variable", "value", "named"),
    [
        ("SONNYS_SITE_CODE", "MAIN", "SONNYS_SITE_CODE was '(none)', is 'MAIN'"),
        ("SONNYS_TIMEZONE", "America/Chicago", "SONNYS_TIMEZONE was 'UTC', is 'America/Chicago'"),
        ("SONNYS_DATA_URL", "elsewhere", "SONNYS_DATA_URL was"),
        ("SONNYS_BASE_URL", "http://127.0.0.1:9/v1", "SONNYS_BASE_URL was"),
        ("SONNYS_API_ID", "somebody-else", "the account (SONNYS_API_ID) was"),
        ("SONNYS_PII", "drop", "SONNYS_PII was 'keep', is 'drop'"),
    ],
)
@pytest.mark.parametrize("mode", [[], ["--mode", "auto"]], ids=["confirm", "auto"])
def test_other_settings_than_those_approved(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, variable: str, value: str, named: str, mode: list[str]
) -> None:
    """Exit code 3 says which setting changed, in either mode; with the old setting the job runs."""
    job = desk.approved(FIVE[:1])
    with monkeypatch.context() as changed:
        changed.setenv(variable, value)
        said = refused(desk, "run", job, *mode, exit_code=3)

    assert named in said
    assert "somebody-else" not in said
    assert desk.asks("status", job)["mode"] == "confirm"
    desk.types("run", job)


def test_settings_that_changed_before_the_approval(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """What nobody previewed cannot be approved either."""
    job = desk.preview(FIVE[:1])
    monkeypatch.setenv("SONNYS_TIMEZONE", "America/Chicago")

    assert "SONNYS_TIMEZONE" in refused(desk, "approve", job, exit_code=3)


@pytest.mark.parametrize(
    ("statement", "named"),
    [
        ("UPDATE sonnys_job_rows SET day = '{other}' WHERE day = '{last}'", "besides {other}; the job lacks {last}"),
        ("DELETE FROM sonnys_job_rows WHERE day = '{last}'", "the job lacks {last}"),
        ("UPDATE sonnys_job_rows SET site = 'MAIN' WHERE day = '{last}'", "has besides {last} of site MAIN"),
        ("UPDATE sonnys_plans SET content = replace(content, '{last}', '{other}')", "the ledger was changed by hand"),
    ],
    ids=["another day", "a day less", "another site", "another plan"],
)
def test_other_days_than_those_approved(desk: Desk, statement: str, named: str) -> None:
    """Rows or plan changed in the ledger, with a database's tool: exit code 3 names the days."""
    names = {"last": FIVE[-1], "other": days_ago(30)}
    job = desk.approved(FIVE)
    desk.change_ledger(statement.format(**names))

    assert named.format(**names) in refused(desk, "run", job, exit_code=3)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (lambda text: text + f"{days_ago(30)};more\r\n", f"has besides {days_ago(30)}"),
        (lambda text: text.replace(f"{FIVE[-1]};\r\n", ""), f"lacks {FIVE[-1]}"),
        (lambda text: text.replace(FIVE[-1], days_ago(30)), f"lacks {FIVE[-1]}"),
    ],
    ids=["a day more", "a day less", "another day"],
)
def test_other_days_in_the_csv_than_those_approved(
    desk: Desk, tmp_path: Path, change: Callable[[str], str], named: str
) -> None:
    """The file's owner has changed its days after the approval: exit code 3 names file and days; the file stays."""
    csv = tmp_path / "days.csv"
    csv.write_bytes((HEADER + "".join(f"{day};\r\n" for day in FIVE)).encode())
    job = desk.asks("preview", "--from-csv", csv)["job_id"]
    desk.types("approve", job)
    csv.write_bytes(change(csv.read_bytes().decode()).encode())

    said = refused(desk, "run", job, exit_code=3)

    assert named in said
    assert str(csv) in said


def test_notes_in_the_csv_are_its_owners_business(desk: Desk, tmp_path: Path) -> None:
    """A change that touches no day is no drift: the job runs."""
    csv = tmp_path / "days.csv"
    csv.write_bytes((HEADER + f"{FIVE[0]};before\r\n").encode())
    job = desk.asks("preview", "--from-csv", csv)["job_id"]
    desk.types("approve", job)
    csv.write_bytes(csv.read_bytes().replace(b"before", b"after"))

    desk.types("run", job)

    assert b";after;completed;" in csv.read_bytes()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--start", FIVE[-1], "--end", FIVE[0]], "the dates are reversed"),
        (["--start", "11/02/2026", "--end", FIVE[0]], "'11/02/2026' is not a day; write YYYY-MM-DD"),
        (["--start", "20261102", "--end", FIVE[0]], "'20261102' is not a day; write YYYY-MM-DD"),
        (["--start", "2026-02-30", "--end", "2026-03-01"], "'2026-02-30' is not a day"),
        (["--start", FIVE[0], "--end", days_ago(0)], f"{days_ago(0)} is not over yet in UTC"),
        (["--start", days_ago(-2), "--end", days_ago(-3)], f"{days_ago(-2)} is not over yet in UTC"),
        (["--start", "2015-01-01", "--end", "2015-01-31"], "the API keeps six months: ask for days from"),
        (["--start", FIVE[0]], "no days given"),
        ([], "no days given"),
    ],
    ids=["reversed", "American", "without dashes", "no such day", "today", "future", "too old", "no end", "nothing"],
)
def test_days_that_cannot_be_read(desk: Desk, options: list[str], said: str) -> None:
    """Exit code 2, one line, no job, no request."""
    assert said in refused(desk, "preview", *options, exit_code=2)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "the file is empty"),
        (b"date\r\n", "has a header but no days"),
        (b"\xef\xbb\xbfdate;site\r\n", "has a header but no days"),
        (b"when\n2026-11-02\n", "no column is named date or day"),
        (b"date\n02.11.2026\n", "line 2: '02.11.2026' is not a day"),
        (b"date,site\n2026-11-02,MAIN\n2026-11-02,MAIN\n", "line 3: 2026-11-02 of site MAIN is already in line 2"),
        (b"date\n2026-11-02\n2026-11-02\n", "line 3: 2026-11-02 is already in line 2"),
        (b'date,note\n2026-11-02,"open\n', "line 2"),
        (b"date,note\n2026-11-02\n", "line 2: has 1 cell where the header has 2"),
        (b"date\n" + days_ago(-1).encode() + b"\n", "is not over yet"),
        (b"date\n2015-01-01\n", "the API keeps six months"),
        (b"\x00\x01\x02", "line 1"),
    ],
    ids=[
        "empty", "header only", "header only, BOM", "no column", "German date", "twice at a site", "twice",
        "open quote", "ragged", "future", "too old", "binary",
    ],
)  # fmt: skip
def test_a_csv_that_cannot_be_used(desk: Desk, tmp_path: Path, content: bytes, said: str) -> None:
    """Exit code 2, one line that names file, line and remedy; the file stays, no job, no request."""
    csv = tmp_path / "days.csv"
    csv.write_bytes(content)

    line = refused(desk, "preview", "--from-csv", csv, exit_code=2)

    assert said in line


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--from-csv", "nowhere.csv"], "does not exist"),
        (["--from-csv", "."], "is not a file"),
        (["--from-csv", "days.csv", "--start", FIVE[0]], "--from-csv already gives the days"),
        (["--from-csv", "days.csv", "--start", FIVE[0], "--end", FIVE[1]], "--from-csv already gives the days"),
        (["--from-csv", "days.csv", "--site", "MAIN"], "--from-csv already gives the sites"),
    ],
    ids=["missing", "folder", "with --start", "with a span", "with --site"],
)
def test_options_that_do_not_go_together(desk: Desk, tmp_path: Path, options: list[str], said: str) -> None:
    """Exit code 2, one line, no job, no request."""
    (tmp_path / "days.csv").write_text(f"date\n{FIVE[0]}\n")

    assert said in refused(desk, "preview", *options, exit_code=2)


@pytest.mark.parametrize("verb", ["approve", "run", "resume", "cancel", "status", "write-back"])
def test_a_job_that_is_not_there(desk: Desk, verb: str) -> None:
    """Exit code 2, and where the jobs are shown."""
    desk.preview(FIVE[:1])

    said = refused(desk, verb, "20260101-000000-deadbeef", exit_code=2)

    assert "no job '20260101-000000-deadbeef'" in said
    assert "sonnys backfill list" in said


def test_a_site_that_the_api_does_not_know(desk: Desk) -> None:
    """Only the API can tell: one request; exit code 2, one line, no job."""
    desk.preview(FIVE[:1])
    before, asked = desk.everything(), desk.requests

    result = desk.types("preview", "--start", FIVE[0], "--end", FIVE[-1], "--site", "NOWHERE", exit_code=2)

    (line,) = result.stderr.splitlines()
    assert line.startswith("Error: the API does not know the site, or the key may not read it")
    assert (result.stdout, desk.requests - asked, desk.everything()) == ("", 1, before)


@pytest.mark.parametrize("verb", ["resume", "write-back"])
def test_verbs_that_come_too_early(desk: Desk, verb: str) -> None:
    """A job that has not begun is not resumed; one without a CSV has nothing to write back into."""
    job = desk.approved(FIVE[:1])

    assert job in refused(desk, verb, job, exit_code=2)


@pytest.mark.parametrize("choice", ["restart", "cancel"])
def test_recovery_of_a_job_that_was_not_interrupted(desk: Desk, choice: str) -> None:
    """It is neither recovered nor run: exit code 2, and the job stays as it was."""
    job = desk.approved(FIVE[:1])

    assert "is pending, not interrupted" in refused(desk, "run", job, "--recover", choice, exit_code=2)


def test_run_without_a_job_asks_for_one(desk: Desk) -> None:
    """Without an interrupted job there is nothing to choose from: exit code 2, and where the jobs are shown."""
    desk.preview(FIVE[:1])

    assert "sonnys backfill list" in refused(desk, "run", exit_code=2)


def test_without_credentials(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each verb that needs them names the variables: exit code 2."""
    job = desk.approved(FIVE[:1])
    monkeypatch.delenv("SONNYS_API_KEY")

    for verb in (["preview", "--start", FIVE[0], "--end", FIVE[1]], ["run", job]):
        assert "SONNYS_API_KEY not set" in refused(desk, *verb, exit_code=2)


def test_days_too_old_beside_days_that_are_kept(desk: Desk) -> None:
    """They are not read: the plan names them, the job has them as skipped, and it ends completed."""
    first_kept = first_kept_day(datetime.now(UTC), "UTC")
    start = first_kept.replace(day=1)  # the month's first days may be kept; those of the month before are not
    start = start.replace(month=start.month - 1) if start.month > 1 else start.replace(year=start.year - 1, month=12)
    old = [f"{start:%Y-%m}-0{number}" for number in (1, 2)]
    csv = desk.folder / "days.csv"
    csv.write_text("date\n" + "".join(f"{day}\n" for day in [*old, FIVE[0]]))

    preview = desk.asks("preview", "--from-csv", csv)

    assert [spec["day"] for spec in preview["too_old"]] == old
    assert (preview["total_rows"], preview["estimated"]["pages"]) == (3, 3), "a page for each of the three sites"
    ended = desk.asks("run", preview["job_id"], "--mode", "auto")
    assert (ended["success"], ended["processed"]) == (True, 1)
    assert csv.read_text().count(",skipped,") == 2


def test_an_api_that_is_not_there(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is wrong with what was typed: exit code 1, one line, no job."""
    desk.preview(FIVE[:1])
    monkeypatch.setenv("SONNYS_BASE_URL", "http://127.0.0.1:9/v1")

    refused(desk, "preview", "--start", FIVE[0], "--end", FIVE[1], exit_code=1)
