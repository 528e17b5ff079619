"""Translate the marts' SQL from DuckDB's dialect into Spark's, with sqlglot.

What sqlglot does not do: the macros of `money.py`, DuckDB's rounding, `* REPLACE`, sums of lists, lists laid flat
with positions, integers of 128 bits, and instants as microseconds.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from itertools import pairwise

import sqlglot
from sqlglot import exp

from sonnys_pipeline.lake.errors import EngineError
from sonnys_pipeline.lake.money import MACROS

#: Functions of the same meaning that sqlglot does not translate.
_RENAMED = {"epoch_us": "unix_micros"}
#: Functions that Spark has by the same name, with other results.
_REFUSED = frozenset({"hash"})


@cache
def to_spark(query: str) -> str:
    """A query of the marts in Spark's dialect.

    Raises:
        EngineError: the query uses something that has no counterpart of the same result.
    """
    tree = sqlglot.parse_one(query, read="duckdb").transform(_translated)
    for call in tree.find_all(exp.Anonymous):
        if call.name.lower() in _REFUSED:
            raise EngineError(
                f"{call.sql('duckdb')} has another result in Spark; count this table with SONNYS_ENGINE=duckdb"
            )
    return tree.sql("spark")


def _translated(node: exp.Expr) -> exp.Expr:
    if isinstance(node, exp.Anonymous):
        return _function(node)
    if isinstance(node, exp.TryCast) and node.to.is_type("decimal"):
        return _rounded(node)
    if isinstance(node, exp.DataType) and node.is_type("int128"):
        return exp.DataType.build("DECIMAL(38, 0)")
    if isinstance(node, exp.Select):
        _without_replace(node)
        _with_positions(node)
    return node


def _rounded(cast: exp.TryCast) -> exp.Expr:
    """A double as a decimal."""
    # Of 1.005, DuckDB rounds the double 100.49999999999999 and Spark the text "1.005".
    shift = 10 ** int(cast.to.expressions[1].name)
    rounded = sqlglot.parse_one(f"try_cast(round(amount * {shift}) / {shift} AS {cast.to.sql()})", read="spark")
    return _filled_in(rounded, {"amount": cast.this.transform(_translated)})


def _function(call: exp.Anonymous) -> exp.Expr:
    name = call.name.lower()
    # What replaces a node is not visited again, so its parts are translated here.
    arguments = [argument.transform(_translated) for argument in call.expressions]
    if name == "list_sum":
        return _sum_of(arguments[0])
    if name in _macros():
        parameters, body = _macros()[name]
        return exp.paren(_filled_in(body.transform(_translated), dict(zip(parameters, arguments, strict=True))))
    return exp.Anonymous(this=_RENAMED.get(name, call.name), expressions=arguments)


def _sum_of(amounts: exp.Expr) -> exp.Expr:
    # An empty list has the sum 0 here, and null in DuckDB; every text takes them for the same.
    summed = sqlglot.parse_one(
        "aggregate(amounts, CAST(0 AS DECIMAL(38, 2)), "
        "(total, one) -> CAST(total + coalesce(one, 0) AS DECIMAL(38, 2)))",
        read="spark",
    )
    return _filled_in(summed, {"amounts": amounts})


@cache
def _macros() -> Mapping[str, tuple[tuple[str, ...], exp.Expr]]:
    """Parameters and bodies by name."""
    return {macro.name: (macro.parameters, sqlglot.parse_one(macro.body, read="duckdb")) for macro in MACROS}


def _filled_in(body: exp.Expr, arguments: Mapping[str, exp.Expr]) -> exp.Expr:
    """The body with each parameter replaced."""

    def argument(node: exp.Expr) -> exp.Expr:
        is_parameter = isinstance(node, exp.Column) and not node.table and node.name in arguments
        return exp.paren(arguments[node.name].copy()) if is_parameter else node

    return body.transform(argument)


def _without_replace(select: exp.Select) -> None:
    """`* REPLACE (x AS c)` becomes `* EXCEPT (c), x AS c`."""
    kept: list[exp.Expr] = []
    for column in select.expressions:
        kept.append(column)
        star = column.find(exp.Star) if column.is_star else None
        replaced = star.args.get("replace") if star else None
        if star and replaced:
            names = [exp.column(alias.alias) for alias in replaced]
            star.set("replace", None)
            star.set("except_", [*(star.args.get("except_") or []), *names])
            kept += replaced
    select.set("expressions", kept)


def _with_positions(select: exp.Select) -> None:
    """`unnest(range(len(x))) AS position, unnest(x) AS part` becomes `posexplode(x) AS (position, part)`.

    Spark lays only one list flat in a query.
    """
    for before, column in pairwise(select.expressions):
        laid_flat = before.unalias(), column.unalias()
        if all(isinstance(one, exp.Explode) for one in laid_flat) and laid_flat[0].find(exp.GenerateSeries):
            both = exp.Aliases(this=exp.Posexplode(this=laid_flat[1].this), expressions=[
                exp.to_identifier(one.alias) for one in (before, column)
            ])  # fmt: skip
            before.pop()
            column.replace(both)
            return
