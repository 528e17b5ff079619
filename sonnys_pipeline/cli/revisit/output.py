"""What `sonnys verify` prints: a plan with its price, differences as they are found, and the result."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click
from rich.table import Table

from sonnys_pipeline.cli.account import to_type
from sonnys_pipeline.cli.output import messages, print_json

if TYPE_CHECKING:
    from sonnys_pipeline.backfill.workspace import Workspace
    from sonnys_pipeline.landing.verified import Verification
    from sonnys_pipeline.revisit.result import Looked, SweepResult
    from sonnys_pipeline.revisit.sweep import SweepPlan

#: Days in the table of a plan; `--json` has all.
_MOST_LINES = 40


def tell(looked: Looked) -> None:
    """Print what differs, as soon as it is known."""
    if looked.note:
        messages.print(f"{looked.day}: {looked.note}", markup=False)


def summary(plan: SweepPlan) -> str:
    """Days, looks and price in a sentence."""
    looks = [one.look.value for one in plan.looks]
    parts = [f"{looks.count(look)} by {look}" for look in dict.fromkeys(looks)]
    said = f"{len(looks)} days to look at" + (f" ({', '.join(parts)})" if parts else "")
    return f"{said}, about {plan.requests:,} requests if nothing has changed. {_skipped(plan)}".rstrip()


def _skipped(plan: SweepPlan) -> str:
    return f"Not compared: {'; '.join(f'{day}: {why}' for day, why in plan.skipped.items())}" if plan.skipped else ""


def print_plan(workspace: Workspace, plan: SweepPlan, *, as_json: bool) -> None:
    """Print the days, their looks and the price."""
    price = _price(workspace)
    if as_json:
        days = [
            {
                "day": one.day.key, "look": one.look.value, "rows": one.rows, "requests": one.requests,
                **_verified(plan.looked_at.complete_as_of(one.day.key)),
            }
            for one in plan.looks
        ]  # fmt: skip
        landed = {day: _verified(plan.looked_at.complete_as_of(day)) for day in plan.landed}
        print_json(
            {
                "policy": str(workspace.settings.revisit), "requests": plan.requests, "requests_a_day": price,
                "looks": days, "landed": landed, "skipped": dict(plan.skipped),
            }
        )  # fmt: skip
        return
    table = Table("day", "look", "rows", "requests", "complete as of", "by", box=None)
    for one in plan.looks[:_MOST_LINES]:
        known = _verified(plan.looked_at.complete_as_of(one.day.key))
        at = known["verified_at"][:16].replace("T", " ") if known["verified_at"] else "not known"
        table.add_row(one.day.key, one.look.value, f"{one.rows:,}", f"{one.requests:,}", at, known["verified_by"] or "")
    if plan.looks:
        messages.print(table)
    if len(plan.looks) > _MOST_LINES:
        messages.print(f"and {len(plan.looks) - _MOST_LINES} more days; --json has all", markup=False)
    click.echo(summary(plan))
    click.echo(f"Policy: {workspace.settings.revisit}")
    click.echo(f"It costs about {price:,} requests a day, the morning's run included, with the rows that are landed.")


def _price(workspace: Workspace) -> int:
    """Requests a day of the policy, with the sites and rows of the last landed days."""
    from sonnys_pipeline.revisit.policy import price_of_account

    return price_of_account(workspace).total


def _verified(known: Verification | None) -> dict[str, Any]:
    return {
        "verified_at": known and known.verified_at.isoformat(),
        "verified_by": known and known.look.value,
        "verified_result": known and known.result.value,
    }


def document(plan: SweepPlan, found: SweepResult) -> dict[str, Any]:
    """The result for `--json`."""
    return {
        "checked": len(found.looked),
        "different": found.different,
        "repaired": list(found.repaired),
        "requests": found.requests,
        "repair_requests": found.repair_requests,
        "differences": {one.day: one.note for one in found.looked if one.note},
        "failed": dict(found.failed),
        "skipped": dict(plan.skipped),
        "stopped": found.stopped,
    }


def print_result(plan: SweepPlan, found: SweepResult, *, repair: bool) -> None:
    """Print the result, and what to type next."""
    click.echo(
        f"{len(found.looked)} days looked at, {len(found.different)} differ, {len(found.repaired)} read again; "
        f"{found.requests:,} requests, {found.repair_requests:,} of them for repairs."
    )
    for day, why in found.failed.items():
        messages.print(f"{day}: {why}", markup=False)
    if found.stopped:
        messages.print(f"Stopped early: {found.stopped}. The same command goes on.", markup=False)
    if _skipped(plan):
        messages.print(_skipped(plan), markup=False)
    if not repair and any(not one.result.is_good for one in found.looked):
        days = [one.day for one in found.looked if not one.result.is_good]
        command = f"sonnys verify --start {days[0]} --end {days[-1]} --repair"
        click.echo(f"To read them again: {to_type(command)}")
