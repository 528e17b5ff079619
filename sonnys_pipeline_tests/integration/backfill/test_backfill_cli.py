"""BX-01, BX-02, BX-03, BX-05, JS-05, BM-09: the whole walk of `sonnys backfill`, over HTTP, as a person goes it."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from sonnys_pipeline.backfill.plan import SAMPLE_ROWS
from sonnys_pipeline_tests.support.pipelines.backfills import ESTIMATE_KEYS, PREVIEW_KEYS, STATUS_KEYS, Desk, last_days

MONTH = last_days(30)
FIVE = last_days(5)
#: What a preview costs at most: the days that are asked about, and the list of sites, once an hour.
PREVIEWED = SAMPLE_ROWS + 1


def test_preview_approve_run_status(open_desk: Callable[..., Desk]) -> None:
    """Thirty days, lifelike ones: the documents have their keys, and the bill is within a tenth of what was said."""
    desk = open_desk(rows_per_day=None, sites=1)

    preview = desk.asks("preview", "--start", MONTH[0], "--end", MONTH[-1])

    assert preview.keys() >= PREVIEW_KEYS
    assert preview["estimated"].keys() >= ESTIMATE_KEYS
    assert [preview[name] for name in ("total_rows", "preview_rows", "additional_rows")] == [30, 20, 10]
    assert desk.requests == PREVIEWED
    assert desk.lake.partitions("transactions") == []
    job = preview["job_id"]

    approval = desk.asks("approve", job, "--by", "Ada")
    assert (approval["fingerprint"], approval["approved_by"]) == (preview["fingerprint"], "Ada")
    assert desk.requests == PREVIEWED

    run = desk.asks("run", job)
    spent = desk.requests - PREVIEWED
    assert (run["success"], run["processed"], run["successful"], run["failed"]) == (True, 30, 30, 0)
    assert run["spent"]["requests"] == spent
    assert preview["estimated"]["requests"] == pytest.approx(spent, rel=0.1)
    assert preview["estimated"]["rows"] == pytest.approx(run["spent"]["rows"], rel=0.1)
    for day in MONTH:
        assert desk.landed_ids(day) == desk.expected_ids(day)

    status = desk.asks("status", job)
    assert status.keys() >= STATUS_KEYS
    assert (status["job_id"], status["status"], status["mode"]) == (job, "completed", "confirm")
    counts = ("total_rows", "processed_rows", "successful_rows", "failed_rows", "pending_rows")
    assert [status[name] for name in counts] == [30, 30, 30, 0, 0]
    assert status["requests"] == spent
    assert status["seconds"] > 0
    assert desk.requests == PREVIEWED + spent
    (listed,) = desk.asks("list")["jobs"]
    assert (listed["job_id"], listed["status"], listed["interrupted"]) == (job, "completed", False)


def test_for_people_each_step_names_the_next(desk: Desk) -> None:
    """Without `--json`: tables on stdout, and under each what to type next; what is typed works."""
    said = desk.types("preview", "--start", FIVE[0], "--end", FIVE[-1]).stdout
    approve, run = [line.split()[2:] for line in said.splitlines() if line.startswith("  sonnys backfill")]
    assert approve[0] == "approve"
    assert all(day in said for day in FIVE)
    assert "days begin at midnight in UTC" in said
    assert desk.asks("status", "latest")["job_id"] == approve[1]
    assert desk.asks("status", approve[1][:12])["job_id"] == approve[1]

    said = desk.types(*approve).stdout
    assert said.splitlines()[-1].split()[2:] == run

    ended = desk.types(*run)
    assert "5 of 5 days landed: the job is completed." in ended.stdout
    assert "Cost" in ended.stdout
    assert "5 of 5 days" in ended.stderr
    job = run[1]
    assert "5 landed" in desk.types("status", job).stdout
    assert job in desk.types("list").stdout


def test_five_hundred_rows_are_previewed_with_twenty_counts(open_desk: Callable[..., Desk], tmp_path: Path) -> None:
    """A hundred days of five sites, by CSV: 20 are asked about, 480 estimated by their site and weekday."""
    desk = open_desk(sites=5)
    sites = [site.code for site in desk.simulator.world.sites if site.code]
    csv = tmp_path / "days.csv"
    csv.write_text("date,site\n" + "".join(f"{day},{site}\n" for day in last_days(100) for site in sites))

    preview = desk.asks("preview", "--from-csv", csv)

    assert desk.requests <= PREVIEWED
    assert [preview[name] for name in ("total_rows", "preview_rows", "additional_rows")] == [500, 20, 480]
    assert preview["estimated"]["rows"] == pytest.approx(100 * 120, rel=0.1)
    assert desk.asks("status", preview["job_id"])["pending_rows"] == 500


def test_fail_fast_stops_at_the_third_of_five_and_resume_does_the_other_three(desk: Desk) -> None:
    """Processed 3, successful 2, failed 1, exit code 1; when the cause is gone, 3 rows are run and all 5 are landed.

    The simulator's fault `fail_dates` lets exactly that day's load jobs end in `fail`.
    """
    job = desk.approved(FIVE)
    desk.fail_days(FIVE[2])

    failed = desk.asks("run", job, exit_code=1)

    assert [failed[name] for name in ("success", "processed", "successful", "failed")] == [False, 3, 2, 1]
    assert (failed["status"], failed["pending"]) == ("failed", 2)
    assert [failure["day"] for failure in failed["failures"]] == [FIVE[2]]
    assert desk.lake.partitions("transactions") == FIVE[:2]
    assert desk.asks("status", job)["failures"][0]["day"] == FIVE[2]

    desk.fail_days()
    seen = desk.requests
    resumed = desk.asks("resume", job)

    assert [resumed[name] for name in ("success", "processed", "successful", "failed")] == [True, 3, 3, 0]
    assert resumed["job"]["successful_rows"] == 5
    assert desk.submissions(seen).keys() <= set(FIVE[2:])
    status = desk.asks("status", job)
    assert (status["status"], status["successful_rows"], status["failed_rows"]) == ("completed", 5, 0)
    for day in FIVE:
        assert desk.landed_ids(day) == desk.expected_ids(day)


def test_a_failed_run_says_what_failed_and_how_to_go_on(desk: Desk) -> None:
    """For people: the day, the error, the command that goes on; the same in `status` afterwards."""
    job = desk.approved(FIVE)
    desk.fail_days(FIVE[0])

    ended = desk.types("run", job, exit_code=1)

    assert f"  {FIVE[0]}: " in ended.stdout
    assert f"sonnys backfill resume {job}" in ended.stderr
    said = desk.types("status", job).stdout
    assert f"  {FIVE[0]}: " in said
    assert f"Next: sonnys backfill resume {job}" in said


def test_on_error_continue_lands_the_others(desk: Desk) -> None:
    """The failing day is told, the four others land, exit code 1."""
    job = desk.approved(FIVE)
    desk.fail_days(FIVE[2])

    ended = desk.asks("run", job, "--on-error", "continue", exit_code=1)

    assert [ended[name] for name in ("success", "processed", "successful", "failed")] == [False, 5, 4, 1]
    assert desk.lake.partitions("transactions") == [day for day in FIVE if day != FIVE[2]]
    assert desk.asks("status", job)["status"] == "failed"


def test_missing_only_leaves_out_what_is_landed(desk: Desk) -> None:
    """Two of five days are landed: three are planned; when none is missing there is no job, and nothing fails."""
    desk.types("run", desk.approved(FIVE[1:3]))
    asked = ("preview", "--start", FIVE[0], "--end", FIVE[-1], "--missing-only")

    preview = desk.asks(*asked)

    assert preview["total_rows"] == 3
    assert [spec["day"] for spec in preview["left_out"]] == FIVE[1:3]
    desk.types("run", preview["job_id"], "--mode", "auto")
    nothing = desk.asks(*asked)
    assert (nothing["job_id"], nothing["total_rows"]) == (None, 0)
    assert "Nothing is missing" in desk.types(*asked).stdout


def test_what_would_be_replaced_is_said_before_it_is(desk: Desk) -> None:
    """A preview over landed days counts them and their rows; the run replaces them by the same rows."""
    desk.types("run", desk.approved(FIVE[:2]))

    preview = desk.asks("preview", "--start", FIVE[0], "--end", FIVE[-1])

    assert preview["replaces"] == {"days": 2, "rows": 240}
    desk.types("run", preview["job_id"], "--mode", "auto")
    assert desk.landed_ids(FIVE[0]) == desk.expected_ids(FIVE[0])


def test_cancel_gives_a_job_up(desk: Desk) -> None:
    """A cancelled job does not run, and cannot be cancelled twice; `list --status` finds it."""
    job = desk.approved(FIVE)

    assert desk.asks("cancel", job, "--why", "wrong days") == {"job_id": job, "status": "cancelled", "was": "pending"}

    assert [found["job_id"] for found in desk.asks("list", "--status", "cancelled")["jobs"]] == [job]
    assert desk.asks("list", "--status", "pending")["jobs"] == []
    seen = desk.requests
    for verb in ("run", "resume", "cancel"):
        assert job in desk.types(verb, job, exit_code=2).stderr
    assert desk.requests == seen


def test_every_json_document_stands_alone_on_stdout(desk: Desk) -> None:
    """Each verb that reports: stdout is one JSON document from its first character to its last."""
    preview = desk.types("preview", "--start", FIVE[0], "--end", FIVE[-1], "--json")
    job = json.loads(preview.stdout)["job_id"]
    verbs = [["approve", job], ["run", job], ["status", job], ["list"], ["cancel", desk.preview(FIVE)]]

    for said in (preview.stdout, *(desk.types(*verb, "--json").stdout for verb in verbs)):
        assert isinstance(json.loads(said), dict)
        assert said.startswith("{")
        assert said.endswith("}\n")
