"""Options that many commands share, and ``verb``: the decorator of a command made by hand."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

from clm.console.context import Console
from clm.console.output import FORMATS
from clm.console.values import NamedType, Whole

Decorated = TypeVar("Decorated", bound=Callable[..., Any])
_PLACES = {"no_headers": "headers"}


def keep(ctx: click.Context, param: click.Parameter, value: Any) -> None:
    """Note a shared option in the console; what was not said leaves it as it is."""
    console = ctx.find_object(Console)
    if console is None or value is None or value is False or param.name is None:
        return
    name = _PLACES.get(param.name, param.name)
    setattr(console.options, name, False if name == "headers" else value)


def _option(*names: str, **more: Any) -> Callable[[], click.Option]:
    return lambda: click.Option(names, expose_value=False, callback=keep, **more)


def request_id(ctx: click.Context, param: click.Parameter, value: str | None) -> None:
    from cm.rpc.types import REQUEST_ID

    if value is not None and (len(value) > 120 or not REQUEST_ID.match(value)):
        raise click.BadParameter("1 to 120 printable ASCII characters without blanks.", ctx, param)
    keep(ctx, param, value)


OUTPUT = (
    _option("-o", "--output", type=click.Choice(FORMATS), help="How to print the answer."),
    _option("--no-headers", is_flag=True, help="Leave out the headings of tables."),
)
CHANGE = (
    _option("--dry-run", is_flag=True, help="Change nothing; print the plan."),
    lambda: click.Option(["--request-id"], expose_value=False, callback=request_id, metavar="ID",
                         help="A repeat with the same id gives the first answer."),
)  # fmt: skip
VERSION = (_option("--if-version", type=Whole(min=0), help="Refuse if the object has another version than this."),)
ASKS = (_option("-y", "--yes", is_flag=True, help="Do not ask."),)
CLUSTER = (_option("--cluster", type=NamedType("cluster"), metavar="CLUSTER", help="Which cluster of the cloud."),)


def shared(*, changes: bool = False, cluster: bool = True, asks: bool = False) -> list[click.Option]:
    """The shared options of a command."""
    makers = [*(CLUSTER if cluster else ()), *(CHANGE if changes else ()), *(ASKS if asks else ()), *OUTPUT]
    return [maker() for maker in makers]


def verb(
    group: click.Group, name: str | None = None, *, changes: bool = False, cluster: bool = True, asks: bool = False,
    **more: Any,
) -> Callable[[Callable[..., Any]], click.Command]:  # fmt: skip
    """
    Make a function a command of a group; its first parameter is the ``Console``.

    :param changes: takes --dry-run and --request-id.
    :param cluster: takes --cluster.
    :param asks: takes --yes.
    """

    def make(function: Callable[..., Any]) -> click.Command:
        command = click.command(name, **more)(click.pass_obj(function))
        command.params += shared(changes=changes, cluster=cluster, asks=asks)
        group.add_command(command)
        return command

    return make


def everybody(function: Decorated) -> Decorated:
    """``--admin``: as an administrator, about everybody's."""
    return click.option("-A", "--admin", is_flag=True, help="As an administrator: everybody's.")(function)
