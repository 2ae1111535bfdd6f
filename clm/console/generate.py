"""
Commands out of descriptions: one for each view, ``user.vm.get_by_id`` as ``wawel vm get-by-id``.

Every parameter is an option; required ones may also be given in their order, without their names. Secrets are neither:
they are asked for, or read from a file.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

import click

from clm.console import names, options
from clm.console.context import Console
from clm.console.descriptions import Method, Param
from clm.console.output import emit_list
from clm.console.problems import Problem
from clm.console.scope import scope
from clm.console.values import OBJECT, UUID, CommasType, IdType, Json, JsonType, NamedType, Real, Whole, read_secret

ASKS: Final = re.compile(r"(delete|destroy|erase|remove|drop|reset_totp|end_sessions)(_|$)")
_ID: Final = re.compile(r"(?:.*_)?([a-z]+)_ids?\Z")
_OTHER_NAMES: Final = {
    "iso_list": "iso", "iso_image_id": "iso", "disk_list": "disk-image", "api_key_id": "apikey",
    **dict.fromkeys(("security_group_id", "security_group_ids", "remote_group_id"), "security-group"),
    **dict.fromkeys(("public_address_id", "public_ip_id"), "public-address"),
    **dict.fromkeys(("vm_template_id", "parent_template_id"), "vm-template"),
    "vm_profile_id": "vm-profile",
    **dict.fromkeys(("head_template_id", "worker_template_id"), "template"),
    "worker_ids": "vm",
    **dict.fromkeys(("resource_pool_id", "parent_pool_id"), "resource-pool"),
}  # fmt: skip
# Optional ones with a place of their own, after the required ones.
POSITIONAL: Final[Mapping[str, tuple[str, ...]]] = {
    "admin.network.add": ("network", "gateway"),
    "admin.pool.delete": ("pool_id",),
    "admin.network.add_bridge": ("vlan", "network"),
    "admin.template.add": ("cpu", "memory_mib"),
    "admin.expiry.simulate": ("expiry_id",),
    "admin.storage.add": ("path", "address", "source"),
    "admin.user.add": ("name",),
    "user.public_address.request": ("address",),
    "user.vm.add_port": ("protocol",),
    "user.vm.remove_port": ("protocol",),
    "cloud.user.add": ("email",),
    "user.vm.edit": ("name",),
    "user.system_image.edit": ("name",),
    "user.group.edit": ("name",),
    "user.group.create": ("description",),
    "user.acl.set": ("login",),
    "admin.acl.set": ("login",),
    "user.transfer.create": ("login",),
    "admin.transfer.create": ("login",),
    "cloud.news.add": ("content",),
}
# Options that a command has anyway, which a parameter of the same name must not hide.
_TAKEN: Final = frozenset(
    {"output", "no_headers", "dry_run", "request_id", "if_version", "yes", "help", "args"}
    | {"admin", "all_clusters", "wait"}
)


def command_of(method: Method, name: str | None = None, admin: Method | None = None) -> click.Command:
    """
    The command that calls a method.

    :param admin: an administrator's of the same name, which it calls with --admin.
    """

    @click.pass_obj
    def run(
        console: Console, args: tuple[str, ...] = (), as_admin: bool = False, every: bool = False,
        wait: bool = False, **given: Any,
    ) -> None:  # fmt: skip
        run_method(console, admin if admin is not None and as_admin else method, args, given, every, wait)

    positional = _in_order(method)
    asks = method.changing and ASKS.match(method.name.rpartition(".")[2]) is not None
    params: list[click.Parameter] = []
    if positional:
        metavar = " ".join(f"[{_metavar(p)}{'...' if p.many else ''}]" for p in positional)
        params.append(_Positional(["args"], nargs=-1, metavar=metavar, positional=positional))
    for param in method.params:
        params += _options_of(param)
    if method.changing:
        params += [maker() for maker in options.VERSION]
        params.append(click.Option(["--wait"], is_flag=True, help="Until the work that it begins, if any, has ended."))
    if admin is not None:
        params.append(click.Option(["-A", "--admin", "as_admin"], is_flag=True, help="As an administrator: anybody's."))
    if _is_list(method):
        params.append(click.Option(["--all-clusters", "every"], is_flag=True, help="Of all clusters of the cloud."))
    params += options.shared(changes=method.changing, cluster=method.cluster, asks=asks)
    return click.Command(
        name or method.verb, callback=run, params=params, help=_help(method), short_help=method.summary
    )


class _Positional(click.Argument):
    """All positional words; each is of the parameter whose turn it is."""

    def __init__(self, *args: Any, positional: list[Param], **more: Any) -> None:
        super().__init__(*args, **more)
        self.positional = positional

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[Any]:
        already = ctx.params.get("args") or ()
        turn = min(len(already), len(self.positional) - 1)
        param = self.positional[turn]
        if _id_kind(param) == OBJECT:  # what it is of was said before
            told = dict(zip((each.name for each in self.positional), already, strict=False)).get("kind")
            return NamedType(str(told or ctx.params.get("p_kind") or "")).shell_complete(ctx, self, incomplete)
        return _single_type(param).shell_complete(ctx, self, incomplete)


def run_method(
    console: Console, method: Method, args: tuple[str, ...], given: Mapping[str, Any], every: bool = False,
    wait: bool = False,
) -> None:  # fmt: skip
    params = collect(method, args, given)
    if method.changing and ASKS.match(method.name.rpartition(".")[2]):
        told = ", ".join(f"{name} {value}" for name, value in params.items() if not isinstance(value, (dict, bool)))
        console.confirm(f"{method.name}: {told}. Go on?")
    for param in method.params:
        if param.kind == "secret":
            secret = _secret(method, param, given)
            if secret is not None:
                params[param.name] = secret
    cluster = console.cluster() if method.cluster else ""
    if _is_list(method) and (every or not any(_id_kind(param) in names.KINDS for param in method.params
                                              if params.get(param.name) is not None)):  # fmt: skip
        cluster = scope(console, every)
    params, cluster = _looked_up(console, method, params, cluster)
    result = (console.change if method.changing else console.call)(method.name, params, cluster=cluster)
    if wait and isinstance(result, Mapping) and isinstance(result.get("operation_id"), int):
        from clm.console.waiting import check_ended, wait_operation

        admin = method.role != "user"
        ended = wait_operation(console, result["operation_id"], cluster=cluster, admin=admin)
        check_ended(ended, method.name)
        result = {**result, "state": ended.get("state")}
    emit_list(console, result, method.noun, every=every)


def collect(method: Method, args: tuple[str, ...], given: Mapping[str, Any]) -> dict[str, Any]:
    """
    The parameters out of options and positional words, in the method's order.

    :raises click.UsageError: one is missing, or there are too many words.
    """
    values = {param.name: _given(param, given) for param in method.params if param.kind != "secret"}
    left, order = list(args), _in_order(method)
    for number, param in enumerate(order):
        if not left or values[param.name] is not None:
            continue
        last = not any(values[p.name] is None for p in order[number + 1 :])
        if param.many and last:
            values[param.name] = [each for word in left for each in _value(param, word)]
            left = []
        else:
            values[param.name] = _value(param, left.pop(0))
    if left:
        takes = f"in order it takes {', '.join(map(_metavar, order))}" if order else "it takes none without an option"
        raise click.UsageError(f"Too many words: {' '.join(left)}; {takes}.")
    for param in method.params:
        if param.required and param.kind != "secret" and values[param.name] is None:
            raise click.UsageError(f"Missing {_metavar(param)}: {_flag(param)} or its place.")
    found = {name: value for name, value in values.items() if value is not None}
    return {name: value.value if isinstance(value, Json) else value for name, value in found.items()}


def _in_order(method: Method) -> list[Param]:
    """The parameters that may be given without their names: the required ones, and what else has an obvious place."""
    more = POSITIONAL.get(method.name, ())
    by_name = {param.name: param for param in method.params}
    required = [param for param in method.params if _is_positional(param)]
    return required + [by_name[name] for name in more if name in by_name and by_name[name] not in required]


def _is_list(method: Method) -> bool:
    """Whether a cloud answers it for all of its clusters."""
    return method.cluster and not method.changing and method.verb == "get-list"


def _given(param: Param, given: Mapping[str, Any]) -> Any:
    value = given.get(_key(param))
    if param.many:
        # Repeated options, each perhaps a list with commas.
        if not value:
            return None
        return [each for part in value for each in (part if isinstance(part, list) else [part])]
    return value


def _value(param: Param, word: str) -> Any:
    """A positional word as its parameter's value."""
    try:
        return _type(param)(word) if not param.many or _has_commas(param) else [_single_type(param)(word)]
    except click.BadParameter as error:
        raise click.UsageError(f"{_metavar(param)}: {error.message}") from None


def _secret(method: Method, param: Param, given: Mapping[str, Any]) -> str | None:
    file = given.get(_key(param))
    if file is None and not param.required:
        return None
    again = param.name == "new_password" or method.verb == "register"  # what is typed for the first time
    return read_secret(file, param.name.replace("_", " ").capitalize(), again=again)


def _looked_up(
    console: Console, method: Method, params: dict[str, Any], cluster: str
) -> tuple[dict[str, Any], str]:  # fmt: skip
    """Names instead of ids become ids; uuids do, too, where the server does not take them."""
    made = dict(params)
    for param in method.params:
        kind, value = _id_kind(param), made.get(param.name)
        if kind == OBJECT:
            kind = str(made.get("kind") or "")  # what it is of another parameter says
        if kind is None or value is None or kind not in names.KINDS:
            continue
        texts = value if param.many else [value]
        if all(isinstance(each, int) for each in texts):
            continue
        if method.cluster and all(isinstance(each, int) or UUID.match(each) for each in texts) and console.is_cloud:
            continue
        admin = method.role != "user"
        look = names.Look(console, kind, admin, own=not method.cluster)
        found = [look.find(each) for each in texts]
        where = {each.cluster for each in found if each.cluster}
        if len(where | ({cluster} if cluster else set())) > 1:
            raise Problem(f"These are of several clusters: {', '.join(sorted(where))}.")
        cluster = cluster or (where.pop() if where and method.cluster else "")
        ids = [each.id for each in found]
        made[param.name] = ids if param.many else ids[0]
    return made, cluster


# ------------------------------------------------------------------ a parameter's option


def _options_of(param: Param) -> list[click.Option]:
    flag, key = _flag(param), _key(param)
    told = _help_of(param)
    if param.kind == "secret":
        told = told or "A file with it; - is standard input."
        return [click.Option([f"{flag}-file", key], metavar="FILE", help=told)]
    if param.kind == "boolean" and not param.many:
        return [click.Option([f"{flag}/--no-{flag[2:]}", key], default=None, help=told)]
    more: dict[str, Any] = {} if param.choices else {"metavar": _kind_name(param)}
    if param.many:
        more["multiple"] = True
    return [click.Option([flag, key], type=_type(param), help=told, **more)]


def _help_of(param: Param) -> str:
    told = [param.help] if param.help else []
    if param.many:
        told.append("Several: with commas." if _has_commas(param) else "May be repeated.")
    if param.default not in (None, ""):
        told.append(f"Default: {str(param.default).lower() if isinstance(param.default, bool) else param.default}.")
    if param.required and param.kind != "secret":
        told.append("Required.")
    return " ".join(told)


def _flag(param: Param) -> str:
    return f"--{'param-' if param.name in _TAKEN else ''}{param.name.replace('_', '-')}"


def _key(param: Param) -> str:
    return f"p_{param.name}"  # whatever a parameter is named, it is no keyword and no argument of ours


def _metavar(param: Param) -> str:
    return param.name.upper()


def _kind_name(param: Param) -> str:
    kind = _id_kind(param)
    if kind is not None:
        return kind.upper() if kind in names.KINDS else "ID"
    return {"integer": "N", "number": "X", "json": "JSON"}.get(param.kind, "TEXT")


def _type(param: Param) -> click.ParamType:
    return CommasType(_single_type(param)) if _has_commas(param) else _single_type(param)


def _single_type(param: Param) -> click.ParamType:
    if param.choices:
        return click.Choice(param.choices)
    kind = _id_kind(param)
    if kind is not None:
        return IdType(kind)
    if param.kind == "integer":
        return Whole(_int(param.minimum), _int(param.maximum))
    if param.kind == "number":
        return Real(param.minimum, param.maximum)
    if param.kind == "boolean":
        return click.BOOL
    if param.kind == "json":
        return JsonType()
    return NamedType("cluster") if param.name == "cluster" else click.STRING


def _int(bound: int | float | None) -> int | None:
    return None if bound is None else int(bound)


def _has_commas(param: Param) -> bool:
    # A text may hold commas itself, so texts are repeated.
    return param.many and (param.kind != "string" or bool(param.choices))


def _is_positional(param: Param) -> bool:
    return param.required and param.kind != "secret"


def _id_kind(param: Param) -> str | None:
    """What an id is of; ``None``: it is no id."""
    if param.kind != "integer":
        return None
    if param.name in _OTHER_NAMES:
        return _OTHER_NAMES[param.name]
    found = _ID.match(param.name)
    return found[1] if found else None


def _help(method: Method) -> str:
    lead = method.doc or method.summary
    paragraphs = [" ".join(part.split()) for part in lead.split("\n\n")]
    errors = f" It can be refused with {', '.join(method.errors)}." if method.errors else ""
    return "\n\n".join([*paragraphs, f"Calls {method.name}.{errors}"])
