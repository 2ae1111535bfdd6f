"""``wawel call``."""

from __future__ import annotations

from typing import Any

import click

from clm.console.context import Console
from clm.console.groups import methods
from clm.console.options import shared
from clm.console.output import emit_list
from clm.console.problems import Problem
from clm.console.values import parse_json, read_file


@click.command()
@click.argument("method")
@click.argument("pairs", nargs=-1, metavar="[KEY=VALUE]...")
@click.option("--json", "text", metavar="JSON", help="The parameters as an object, or a list in their order; @FILE.")
@click.pass_context
def call(ctx: click.Context, method: str, pairs: tuple[str, ...], text: str | None) -> None:
    """
    Call any method of the server.

    A VALUE that is JSON is taken as such (7, true, [1,2]), any other as a text; @FILE is what the file holds.
    """
    console = ctx.ensure_object(Console)
    if pairs and text is not None:
        raise click.UsageError("Give KEY=VALUE pairs, or --json.")
    params = _parsed(text) if text is not None else dict(_pair(each) for each in pairs)
    if isinstance(params, list):
        if console.options.dry_run or console.options.cluster:
            raise click.UsageError("Parameters by order leave no place for --dry-run and --cluster; name them.")
        emit_list(console, _in_order(console, method, params), _noun(method))
        return
    known = methods(ctx).get(method)
    if console.options.cluster:
        params["cluster"] = console.cluster()
    elif known is not None and known.cluster and console.cluster():
        params.setdefault("cluster", console.cluster())
    # What is not known may change something: --dry-run or --request-id say that it does.
    changing = known.changing if known else bool(console.options.dry_run or console.options.request_id)
    emit_list(console, (console.change if changing else console.call)(method, params), _noun(method))


call.params += shared(changes=True)


def _in_order(console: Console, method: str, params: list[Any]) -> Any:
    from clm.console.context import check_params

    check_params({"params": params})
    return console.client().call(method, params, request_id=console.options.request_id or None)


def _parsed(text: str) -> dict[str, Any] | list[Any]:
    found = parse_json(read_file(text[1:]) if text.startswith("@") else text)
    if not isinstance(found, (dict, list)):
        raise Problem("The parameters are an object, or a list.")
    return found


def _pair(text: str) -> tuple[str, Any]:
    key, found, value = text.partition("=")
    if not found or not key:
        raise click.UsageError(f"{text!r} is not KEY=VALUE.")
    if value.startswith("@"):
        return key, read_file(value[1:])
    try:
        return key, parse_json(value)
    except Problem:
        return key, value


def _noun(method: str) -> str:
    parts = method.split(".")
    return parts[-2] if len(parts) > 1 else ""
