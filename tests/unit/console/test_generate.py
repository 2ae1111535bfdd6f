"""Commands out of descriptions: every view has one, and what is typed is what is sent."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clm.console import descriptions, generate
from clm.console.context import Console
from clm.console.descriptions import KINDS, Method, Param
from clm.console.groups import ALIASES
from clm.console.problems import Problem
from clm.console.root import cli
from cm.rpc.introspection import openrpc

from .conftest import Wawel, run
from .wire import Wire, views

KNOWN = [(kind, method) for kind in KINDS for method in descriptions.packaged(kind)]


def path_of(method: Method) -> list[str]:
    """Where a view's command is, among those not made by hand."""
    noun = method.noun.replace("_", "-")
    return [*([] if method.role == "user" else [method.role]), noun, method.verb]


@pytest.mark.parametrize(("kind", "method"), KNOWN, ids=lambda each: each.name if isinstance(each, Method) else each)
def test_every_view_has_a_command(home: Path, kind: str, method: Method) -> None:
    """Its command can be built, has help with every parameter, and is where its name says."""
    shown = run("view", method.name, "--help")
    assert (shown.code, shown.told) == (0, "")
    for param in method.params:
        flag = f"--{param.name.replace('_', '-')}"
        assert flag in shown.out or f"--param-{flag[2:]}" in shown.out
    assert run(*path_of(method), "--help").code == 0


def test_groups_list_their_views(home: Path) -> None:
    """Every noun is found from the help of the program, every view from its noun's."""
    with click.Context(cli, obj=Console()) as ctx:
        for _, method in KNOWN:
            group: Any = cli
            for word in path_of(method)[:-1]:
                assert word in group.list_commands(ctx) or word in ("user", "cluster", "key"), method.name
                group = group.get_command(ctx, word)
            hidden = method.verb in group.commands and method.verb not in group.views(ctx)
            assert hidden or method.verb in group.list_commands(ctx), method.name
    assert set(ALIASES) == {"ls", "list", "show", "get", "rm", "delete", "remove"}


def parsed(method: Method, words: list[str]) -> dict[str, Any]:
    """What a command of a method would send."""
    command = generate.command_of(method)
    found: dict[str, Any] = {}

    def keep(args: tuple[str, ...] = (), **given: Any) -> None:
        found.update(generate.collect(method, args, given))

    command.callback = keep
    command.main(words, standalone_mode=False, obj=Console())
    return found


SCALARS: dict[Any, st.SearchStrategy[Any]] = {
    "integer": st.integers(0, 2**31),
    "number": st.integers(-1000, 1000).map(float),
    "boolean": st.booleans(),
    "string": st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1),
    "json": st.recursive(
        st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
        max_leaves=5,
    ),
}  # fmt: skip


@st.composite
def calls(draw: st.DrawFn) -> tuple[Method, dict[str, Any]]:
    """A method, and values for all of its required and some of its other parameters."""
    names = draw(st.lists(st.sampled_from(["name", "vm_id", "size", "output", "args", "yes", "a", "vm_ids", "limit"]),
                          unique=True, max_size=6))  # fmt: skip
    params, values = [], {}
    for name in names:
        kind = draw(st.sampled_from(sorted(SCALARS)))
        if name in ("vm_id", "vm_ids"):
            kind = "integer"
        many = kind != "json" and draw(st.booleans())
        required = draw(st.booleans())
        params.append(Param(name, kind, required, many))
        if required or draw(st.booleans()):
            strategy = SCALARS[kind]
            values[name] = draw(st.lists(strategy, min_size=1, max_size=3) if many else strategy)
    return Method("user.vm.try", "user", "Try.", params=params), values


def word(param: Param, value: Any) -> str:
    return json.dumps(value) if param.kind == "json" else str(value).lower() if param.kind == "boolean" else str(value)


def as_options(param: Param, value: Any) -> list[str]:
    flag = generate._flag(param)
    if param.kind == "boolean" and not param.many:
        return [flag if value else f"--no-{flag[2:]}"]
    return [f"{flag}={word(param, each)}" for each in (value if param.many else [value])]


def typed(values: dict[str, Any]) -> dict[str, Any]:
    """The values as they arrive: an id of what has a list stays a word until the list was asked."""
    made = dict(values)
    for name in {"vm_id", "vm_ids"} & set(made):
        made[name] = [str(each) for each in made[name]] if isinstance(made[name], list) else str(made[name])
    return made


@given(calls())
def test_options_round_trip(call: tuple[Method, dict[str, Any]]) -> None:
    """Given as options, every value arrives as it was."""
    method, values = call
    words = [each for param in method.params if param.name in values for each in as_options(param, values[param.name])]
    assert parsed(method, words) == typed(values)


@given(calls())
def test_positions_round_trip(call: tuple[Method, dict[str, Any]]) -> None:
    """Required ones arrive by their places, too, whatever else is an option; of lists only the last has many words."""
    method, values = call
    required = [param for param in method.params if param.required]
    words: list[str] = []
    for param in method.params:
        if param.name in values and not param.required:
            words += as_options(param, values[param.name])
    words.append("--")
    for number, param in enumerate(required):
        value = values[param.name]
        if param.many and number < len(required) - 1:
            value = values[param.name] = value[:1]
        words += [word(param, each) for each in (value if param.many else [value])]
    assert parsed(method, words) == typed(values)


def test_lists_with_commas() -> None:
    """Ids may stand with commas; texts may not, since they may hold some."""
    ids, texts = Param("vm_ids", "integer", many=True), Param("words", "string", many=True)
    method = Method("user.vm.try", "user", "Try.", params=[ids, texts])
    assert parsed(method, ["--vm-ids", "1,2", "--vm-ids", "3", "--words", "a,b"]) == {
        "vm_ids": ["1", "2", "3"], "words": ["a,b"]
    }  # fmt: skip
    assert parsed(method, ["--vm-ids", ""]) == {"vm_ids": []}


@pytest.mark.parametrize(
    "words",
    [["--kind", "other"], ["--kind", "dir", "--count", "0"], [], ["dir", "more"], ["--kind", "dir", "--ratio", "x"],
     ["--kind", "dir", "--vm-id", ""], ["--kind", "dir", "--any", "{"]],
)  # fmt: skip
def test_refused(words: list[str]) -> None:
    """What the schema does not allow is a usage error, before anybody is asked."""
    method = Method("user.vm.try", "user", "Try.", params=[
        Param("kind", "string", True, choices=["dir", "netfs"]), Param("count", "integer", minimum=1),
        Param("ratio", "number"), Param("vm_id", "integer"), Param("any", "json"),
    ])  # fmt: skip
    with pytest.raises((click.UsageError, Problem)):
        parsed(method, words)


def test_secrets_are_never_arguments() -> None:
    """There is no option that takes a secret itself, and no place for one: processes' arguments are for all to see."""
    found = 0
    for _, method in KNOWN:
        secrets = {param.name for param in method.params if param.kind == "secret"}
        command = generate.command_of(method)
        flags = {flag for param in command.params for flag in (*param.opts, *param.secondary_opts)}
        assert not flags & {f"--{name.replace('_', '-')}" for name in secrets}, method.name
        found += len(secrets)
    assert found > 3


def test_destructive_ones_ask() -> None:
    """Whatever deletes or destroys takes --yes, hence asks without it."""
    asking = {method.name for _, method in KNOWN
              if any("--yes" in param.opts for param in generate.command_of(method).params)}  # fmt: skip
    assert {"user.vm.destroy", "admin.vm.erase", "admin.node.delete", "admin.user.delete"} <= asking
    assert not [name for name in asking if ".get" in name]


def test_controls_are_options_of_changes() -> None:
    for _, method in KNOWN:
        flags = {flag for param in generate.command_of(method).params for flag in param.opts}
        assert ("--dry-run" in flags) == ("--request-id" in flags) == ("--if-version" in flags) == method.changing


def test_descriptions_of_a_cloud(home: Path) -> None:
    """A cloud's descriptions have clusters' methods, with --cluster; a lone cluster's have none."""
    of_cloud, of_cluster = descriptions.methods_of("clm"), descriptions.methods_of("cm")
    assert of_cloud["user.vm.create"].cluster and not of_cluster["user.vm.create"].cluster
    assert "admin.trust.add" not in of_cloud
    flags = {flag for param in generate.command_of(of_cloud["user.vm.create"]).params for flag in param.opts}
    assert "--cluster" in flags


def test_described_over_the_wire(lone: Wire) -> None:
    """A server's own description, cut, has the parameters that its views have."""
    registry = views(lone._find, False)
    made = {method.name: method for method in descriptions.cut(openrpc(list(registry), "x"))}
    create = {param.name: param for param in made["user.vm.create"].params}
    assert (create["name"].kind, create["name"].required) == ("string", True)
    assert create["on_poweroff"].choices == ["destroy", "restart", "save", "stop"]
    assert (create["count"].default, create["vnc"].kind) == (1, "boolean")
    assert made["user.vm.destroy"].params[0].many
    assert made["guest.session.login"].params[1].kind == "secret"
    assert "dry_run" not in create


rubbish = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5)
    | st.sampled_from(["user.vm.get", "string", "integer", "#/components/schemas/A"]),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(
        st.sampled_from(["methods", "name", "params", "schema", "anyOf", "type", "enum", "$ref", "items", "components",
                         "schemas", "A", "summary", "required", "allOf"]),
        inner, max_size=5,
    ),
    max_leaves=20,
)  # fmt: skip


@given(rubbish | st.fixed_dictionaries({"methods": st.lists(rubbish, max_size=3), "components": rubbish}))
def test_rubbish_of_a_server(document: Any) -> None:
    """Whatever a server says of itself, it is understood or refused; and what is understood makes commands."""
    try:
        methods = descriptions.cut(document)
    except ValueError:
        return
    for method in methods:
        generate.command_of(method)
    assert descriptions.decode(descriptions.encode(methods)) == methods


def test_names_for_ids(anna: Wawel, lone: Wire) -> None:
    """Where an id is needed a name does, and a uuid: a lone cluster takes neither itself."""
    vm = lone.cluster.add_vm("web")
    for told in ("web", vm["uuid"], vm["uuid"].upper(), str(vm["vm_id"])):
        assert json.loads(anna("vm", "get-by-id", told, "-o", "json").out)["name"] == "web"
    assert anna("vm", "get-by-id", "nobody").code == 1
    lone.cluster.add_vm("web")
    done = anna("vm", "get-by-id", "web")
    assert (done.code, "Several" in done.told) == (2, True)


def test_aliases(anna: Wawel, lone: Wire) -> None:
    """Nouns without commands by hand know ls and show, too."""
    assert anna("template", "ls").out == anna("template", "get-list").out != ""


def test_wait_for_what_a_view_began(anna: Wawel, lone: Wire) -> None:
    """A view's command can wait for the operation that it begins; one that fails is exit code 5."""
    lone.cluster.patience = 2
    lone.cluster.add_vm("web", "stopped")
    done = anna("view", "user.vm.start", "web", "--wait", "-o", "json")
    assert (done.code, json.loads(done.out)["state"]) == (0, "done"), done
    assert lone.cluster.vms[1]["state"] == "running"
