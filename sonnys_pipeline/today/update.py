"""A look, and what is made of it: figures and the page."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

from sonnys_pipeline.today.figures import Today, figures_of
from sonnys_pipeline.today.file import read_to_continue
from sonnys_pipeline.today.look import Looker, LookResult
from sonnys_pipeline.today.page import land_page


def update(
    looker: Looker, *, if_due: bool = False, now: Callable[[], datetime] = lambda: datetime.now(UTC)
) -> tuple[Today, LookResult | None]:  # fmt: skip
    """Look, and write the page.

    Args:
        looker: for the account.
        if_due: whether to look only if the last look is longer ago than the interval between looks; else the figures
            are those of the file, and the page stays.
        now: aware UTC.

    Returns:
        The figures, and what came of the look, if there was one.

    Raises:
        LakeError, LedgerError, NoNamedSiteError, SettingsError: as `Looker.look`.
    """
    workspace, settings = looker.workspace, looker.workspace.settings
    file, result = read_to_continue(workspace), None
    if not if_due or looker.is_due(file):
        result = looker.look()
        file = result.file
    figures = figures_of(
        file,
        workspace.lake,
        timezone=settings.timezone,
        now=now(),
        account=settings.account_name,
        problems=file.state.problems if result is None else result.problems,
    )
    if result is not None:
        land_page(workspace.lake, figures, every=looker.every)
    return figures, result
