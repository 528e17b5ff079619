"""Output of all verbs: messages to stderr, one JSON document to stdout, errors in one line with an exit code."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NoReturn

import click
from rich.console import Console
from rich.text import Text

from sonnys_pipeline.runtime.quoting import printable_lines, sentence


class Screen(Console):
    """A console that escapes control characters in everything it prints: server texts must not steer the terminal."""

    def render_str(self, text: str, **options: Any) -> Text:  # noqa: ANN401 - passed on as they are
        """Escape a string; rich passes every cell, line and title through here."""
        return super().render_str(printable_lines(text), **options)


#: Progress, hints and questions, on stderr: stdout is for the result. No markup: messages quote paths and servers.
messages = Screen(stderr=True, highlight=False, soft_wrap=True, markup=False)

FAILED = 1
WRONG_USAGE = 2
NOT_APPROVED = 3


class WholeHelpGroup(click.Group):
    """A group whose `--help` shows the whole first sentence of each verb, even in a narrow terminal."""

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 - click's
        """List the verbs, wrapped instead of cut off."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, verb.get_short_help_str(limit=1000)) for name, verb in self.commands.items()])


class Refusal(click.ClickException):
    """Ends a command with one line on stderr and an exit code."""

    def __init__(self, message: str, exit_code: int) -> None:
        super().__init__(sentence(message))
        self.exit_code: int = exit_code  # type: ignore[misc] # click reads it from the instance


def refuse(message: str, exit_code: int = WRONG_USAGE) -> NoReturn:
    """End the command; `message` says what is wrong and what to do."""
    raise Refusal(message, exit_code)


def print_json(document: Mapping[str, Any]) -> None:
    """Print the one JSON document of `--json`, with control characters escaped."""
    text = json.dumps(document, indent=2, ensure_ascii=False)
    click.echo("".join(sign if sign.isprintable() or sign == "\n" else json.dumps(sign)[1:-1] for sign in text))


@contextmanager
def refusing(exit_codes: Mapping[type[Exception], int]) -> Iterator[None]:
    """Turn errors of these types into one line and an exit code."""
    try:
        yield
    except tuple(exit_codes) as error:
        code = next(code for kind, code in exit_codes.items() if isinstance(error, kind))
        raise Refusal(str(error), code) from error


def json_option(command: Any) -> Any:  # noqa: ANN401 - a click decorator
    """Add `--json`."""
    text = "Print one JSON document, and nothing else, to stdout."
    return click.option("--json", "as_json", is_flag=True, help=text)(command)
