"""`sonnys forget`: erase one customer's personal data from everything that was written, and prove it."""

from __future__ import annotations

import sys
from dataclasses import asdict

import click

from sonnys_pipeline.cli.account import account_option, open_workspace
from sonnys_pipeline.cli.output import FAILED, json_option, messages, print_json, refuse


@click.command()
@click.option("--customer", "number", metavar="ID", required=True, help="The API's number of the customer, in clear.")
@click.option("--dry-run", "is_dry", is_flag=True, help="Show what would change, as counts.  [default]")
@click.option("--yes", "is_approved", is_flag=True, help="Erase. This cannot be undone.")
@account_option
@json_option
def forget(number: str, is_dry: bool, is_approved: bool, as_json: bool) -> None:
    """Erase one customer's name, number, plate and card data; sales stay, without the customer.

    Landed tables, archive and quarantine are treated, then every file is searched. The customer's data is removed from
    each later read, too. Without --yes, nothing is changed.
    """
    from sonnys_pipeline.cli.backfill.commands import one_line_errors
    from sonnys_pipeline.erasure.erase import forget as erase
    from sonnys_pipeline.erasure.erase import preview

    if is_dry and is_approved:
        refuse("--dry-run and --yes exclude each other: leave one out")
    if not (number := number.strip()):
        refuse("--customer needs the API's number of the customer")
    with one_line_errors(), open_workspace() as workspace:
        erasure = (erase if is_approved else preview)(workspace, number)
        policy = workspace.settings.pii
    if as_json:
        print_json({"erased": is_approved, "pii": policy, **asdict(erasure)})
    else:
        for change in erasure.changes:
            print(f"{change.table} {change.day or '(all days)'}: {change.rows}")
        if not erasure.changes:
            print("Nothing is kept of this customer." + (" SONNYS_PII=drop keeps nobody." if policy == "drop" else ""))
        if is_approved:
            print(f"Searched {erasure.searched} files: {len(erasure.found)} still have data of this customer.")
            if erasure.shared:
                print(f"Not searched for, since rows of others have the same: {erasure.shared} of the values.")
        else:
            print("Nothing was changed. To erase: the same command with --yes.")
    for name in erasure.found:
        messages.print(f"{name} still has data of this customer: delete it, then run it again")
    sys.exit(FAILED if erasure.found else 0)
