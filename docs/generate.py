"""
Whatever is made from the code and committed: the tables of pages that say what the code says (errors, views, settings,
kinds of work, states, versions), the clusters' views as the cloud has them, and both managers' as the console does.

``bin/generate`` writes what is old, ``bin/generate --check`` only names it; it may be repeated.
``tests/unit/test_docs.py`` fails when something is old.
"""

from __future__ import annotations

import argparse
import importlib
import json
import pkgutil
import re
import sys
import tomllib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import MISSING, fields, is_dataclass
from enum import Enum
from itertools import groupby
from pathlib import Path
from typing import Any, get_args, get_origin, get_type_hints

from answers import type_tables, type_word
from bounds import bound_table
from clm.console import descriptions as console
from clm.console.describe import described
from clm.daemon import describe as clusters
from clm.daemon import settings as cloud
from clm.ec2.actions import HANDLERS
from clm.ec2.model import model
from clm.views.forward import TABLE, add_forwarded
from cm.daemon.settings import Settings
from cm.operations import register_kinds
from cm.operations.base import KINDS
from cm.rpc.cases import FILE, Case, read_cases
from cm.rpc.codec import plain
from cm.rpc.errors import CloudError
from cm.rpc.introspection import introspection, openrpc
from cm.rpc.parameters import REQUIRED, Parameter
from cm.rpc.typescript import typescript
from cm.rpc.view import Registry, View
from cm.rpc.vocabulary import VMState
from cm.rules.instance import FIELDS, OPERATIONS, STATUSES
from cm.rules.operation import SPECS, OperationKind
from cm.rules.transitions import ATTACHMENT, IMAGE, NODE, OPERATION, VM, Move, Noun, Standing
from cm.rules.vm import CC1_CODES, EC2_STATE, XO_POWER_STATE
from contextualization.daemon import settings as contextualization
from errors import cloud_cases, cluster_cases
from meanings import MEANINGS

DOCS = Path(__file__).parent
ROOT = DOCS.parent
PORTAL_CLIENT = ROOT / "clm" / "portal" / "web" / "src" / "api" / "wawel.ts"
ROUNDS = 4

ANSWERS = {
    "InvalidRequest": "correct the call",
    "NotAuthenticated": "say who you are",
    "NotPermitted": "somebody else has to do it",
    "NotFound": "look for it; it may be gone",
    "Conflict": "change its state first, or wait",
    "LimitReached": "free something, or ask for more",
    "Unavailable": "repeat later, a change with the same `request_id`",
    "InternalError": "report the incident; the log has it",
}
# Where classes of errors stand, and what there brings the reactor along and defines none that is sent.
HOMES = ("cm.rpc", "cm.runtime", "cm.services", "cm.operations", "cm.store")
CLOUD_HOMES = ("clm.drivers", "clm.services", "clm.store", "clm.rules", "clm.views", "clm.daemon.execute")
LEFT_OUT = ("cm.rpc.http_caller", "cm.rpc.client", "cm.rpc.schemes", "cm.rpc.endpoint")
CROWD = 5  # states from which an event leads to the same one: so many arrows would hide the others
ROLES = ("rpc", "system", "guest", "user", "admin", "cloud", "node")


def cases(program: str = "cm") -> list[type[CloudError]]:
    """Every error of ``cm`` or ``clm`` that may reach a caller, the families first in each."""
    for home in HOMES if program == "cm" else CLOUD_HOMES:
        for info in pkgutil.walk_packages(getattr(importlib.import_module(home), "__path__", ()), home + "."):
            if info.name not in LEFT_OUT:
                importlib.import_module(info.name)
    families = [each for each in CloudError.__subclasses__() if _is_ours(each, "cm")]
    found = [case for each in families for case in (each, *sorted(set(_below(each)), key=lambda c: c.code))]
    return [case for case in found if _is_ours(case, program)]


def _below(family: type[CloudError]) -> Iterator[type[CloudError]]:
    for each in family.__subclasses__():
        yield each
        yield from _below(each)


def _is_ours(case: type[CloudError], program: str) -> bool:
    """Not those of tests, of our clients, nor what stands in for errors that a client does not know."""
    return case.__module__.startswith(f"{program}.") and case.__module__ not in (*LEFT_OUT, "cm.rpc.codec")


def family_of(case: type[CloudError]) -> type[CloudError]:
    return case.__mro__[case.__mro__.index(CloudError) - 1]


def error_table(program: str = "cm") -> str:
    lines = ["| slug | number | repeat? | message | fields |", "|---|---|---|---|---|"]
    for case in cases(program):
        family = family_of(case)
        if case is family and case.__name__ in ANSWERS:
            own = "" if case.message == CloudError.message else f"{case.message} "
            what = f"{own}*{ANSWERS[case.__name__]}*"
            lines.append(f"| **`{case.code}`** | {case.number} | {_yes(case.retry)} | {what} | |")
            continue
        told = ", ".join(f"`{field.name}`" for field in fields(case)) if is_dataclass(case) else ""
        lines.append(f"| `{case.code}` | {case.number} | {_yes(case.retry)} | {_cell(case.message)} | {told} |")
    return "\n".join(lines)


def _yes(value: bool) -> str:
    return "yes" if value else ""


def views() -> list[View]:
    registry = Registry.collect("cm.views")
    return sorted([*introspection(registry, "Wawel"), *registry], key=lambda view: (_role(view), view.name))


def cloud_views() -> list[View]:
    """The cloud's own; what it passes on to clusters is in the clusters' table."""
    return sorted(Registry.collect("clm.views"), key=lambda view: (_role(view), view.name))


def _role(view: View) -> int:
    return ROLES.index(view.name.partition(".")[0])


def view_table(found: list[View]) -> str:
    parts = []
    for noun, methods in groupby(found, key=lambda view: view.name.rpartition(".")[0]):
        lines = [f"**{noun}**", "", "| method | parameters | answers | | | errors |", "|---|---|---|---|---|---|"]
        for m in methods:
            told = (f"`{m.name}`", _parameters(m), type_word(m.returns), _effect(m), _cell(m.summary), codes(m.errors))
            lines.append(f"| {' | '.join(told)} |")
        parts.append("\n".join(lines))
    return "\n\n".join(parts)


def codes(cases: Sequence[Case]) -> str:
    return ", ".join(f"`{case.code}`" for case in cases)


def common_errors(package: str) -> str:
    """What any call can end with."""
    cases = read_cases(ROOT / package.replace(".", "/") / FILE)
    lines = [f"- every call: {codes(cases.every)}", f"- and of a method that is not for guests: {codes(cases.known)}"]
    lines.append(f"- and of one that changes something: {codes(cases.changing)}")
    if cases.passed_on:
        lines.append(f"- and of one that is passed on to a cluster, beside what it has there: {codes(cases.passed_on)}")
    return "\n".join(lines)


def _effect(view: View) -> str:
    if not view.changing:
        return "reads"
    return "changes*" if view.is_async else "changes"


def _parameters(view: View) -> str:
    return ", ".join(_parameter(each) for each in view.parameters)


def _parameter(one: Parameter) -> str:
    kind = f"`{one.name}`: {type_word(one.annotation).removesuffix(' or null')}"  # its default tells that
    if one.required:
        return kind
    default = getattr(one.default, "value", one.default)
    return f"{kind} = {'null' if default is None else _toml(default).strip('`')}"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("``", "`")


def settings_table(settings: type[Any]) -> str:
    lines = ["| key | default | meaning |", "|---|---|---|"]
    lines += [f"| `{key}` | {_toml(default)} | {MEANINGS[key]} |" for key, default in settings_of(settings)]
    return "\n".join(lines)


def settings_of(settings: type[Any]) -> Iterator[tuple[str, Any]]:
    """Every key with its default."""
    for name, table in get_type_hints(settings).items():
        if get_origin(table) is dict:
            name, table = f"{name}.<name>", get_args(table)[1]
        for field in fields(table):
            if field.default is not MISSING:
                made = field.default
            else:
                made = REQUIRED if field.default_factory is MISSING else field.default_factory()
            yield f"{name}.{field.name}", made


def operation_table() -> str:
    """What each kind of work is made of, and what becomes of it when it is given up."""
    register_kinds()
    ends = deadlines()
    lines = ["| kind | has to itself | steps | patient | deadline | giving it up |", "|---|---|---|---|---|---|"]
    for kind in OperationKind:
        steps = " → ".join(f"`{step}`" for step in KINDS[kind].steps)
        spec = SPECS[kind]
        alone = ", ".join(spec.holds)
        lines.append(f"| `{kind}` | {alone} | {steps} | {_yes(spec.patient)} | {ends[kind]} | {spec.abandoned} |")
    return "\n".join(lines)


def deadlines() -> dict[OperationKind, str]:
    """How long each kind of work may take from when it is asked for."""
    return {
        kind: (f"{spec.transfers} × `images.timeout_s` + " if spec.transfers else "") + f"{spec.seconds:,.0f} s"
        for kind, spec in SPECS.items()
    }


def state_part(noun: Noun) -> str:
    """A noun's picture, its states, and who causes what."""
    return "\n\n".join((state_picture(noun), state_table(noun), cause_table(noun)))


def state_picture(noun: Noun) -> str:
    """Moves between the same two states are one arrow; what leads to one state from nearly everywhere is told below."""
    sources: dict[tuple[str, str], list[str]] = {}
    for move in noun.drawn():
        if move.source is not None:
            sources.setdefault((move.event, _end(move.target)), []).append(move.source.value)
    many = {key: found for key, found in sources.items() if len(found) >= CROWD}
    arrows: dict[tuple[str, str], list[str]] = {}
    for move in noun.drawn():
        if (move.event, _end(move.target)) not in many or move.source is None:
            arrows.setdefault((_end(move.source), _end(move.target)), []).append(move.event)
    lines = ["```mermaid", "stateDiagram-v2"]
    lines += [f"    {source} --> {target}: {' / '.join(events)}" for (source, target), events in arrows.items()]
    lines += [f"    {each.state} --> [*]" for each in noun.standings if each.final]
    lines += ["    classDef rest font-weight:bold", f"    class {','.join(_rests(noun))} rest", "```"]
    if many:
        told = [f"- `{event}` → {target}, from {', '.join(found)}" for (event, target), found in sorted(many.items())]
        lines += ["", "Not drawn, because they lead there from many states:", "", *told]
    return "\n".join(lines)


def _rests(noun: Noun) -> list[str]:
    return [each.state.value for each in noun.standings if each.rest]


def _end(state: Enum | None) -> str:
    return "[*]" if state is None else str(state.value)


def state_table(noun: Noun) -> str:
    lines = ["| state | rest? | owner | deadline | exits |", "|---|---|---|---|---|"]
    for each in noun.standings:
        rest = "final" if each.final else _yes(each.rest)
        owner = each.owner or ", ".join(f"`{kind}`" for kind in each.work)
        lines.append(f"| `{each.state}` | {rest} | {owner} | {_bound(each)} | {_exits(noun.exits(each.state))} |")
    return "\n".join(lines)


def _bound(standing: Standing) -> str:
    ends = deadlines()
    return standing.deadline or "; ".join(f"`{kind}` {ends[kind]}" for kind in standing.work)


def _exits(moves: Sequence[Move]) -> str:
    targets: dict[str, list[str]] = {}
    for move in moves:
        targets.setdefault(move.event, []).append("the end" if move.target is None else str(move.target.value))
    return "; ".join(f"*{event}* → {' or '.join(found)}" for event, found in targets.items())


def cause_table(noun: Noun) -> str:
    causes: dict[str, list[str]] = {}
    for move in noun.drawn():
        found = causes.setdefault(move.event, [])
        if move.by not in found:
            found.append(move.by)
    lines = ["| event | who causes it |", "|---|---|"]
    lines += [f"| {event} | {'; '.join(by)} |" for event, by in causes.items()]
    return "\n".join(lines)


def version_table() -> str:
    """What pyproject.toml asks for, and what constraints.txt pins."""
    repository = DOCS.parent
    project = tomllib.loads((repository / "pyproject.toml").read_text())["project"]
    constraints = repository / "constraints.txt"
    pins = [line.split("==") for line in (constraints.read_text().splitlines() if constraints.exists() else ())]
    pinned = {_normal(pin[0]): pin[1] for pin in pins if len(pin) == 2}
    lines = ["| package | for | at least | pinned |", "|---|---|---|---|"]
    for purpose, wanted in (("running", project["dependencies"]), *project["optional-dependencies"].items()):
        for each in wanted:
            name, _, version = each.partition(">=")
            lines.append(f"| `{name}` | {purpose} | {version} | {pinned.get(_normal(name.partition('[')[0]), '-')} |")
    return "\n".join(lines)


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name.strip()).lower()


def _toml(value: Any) -> str:
    if value is REQUIRED:
        return "required"
    if value is None:
        return "none"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, (str, Path)):
        return f'`"{value}"`'
    return f"`{list(value) if isinstance(value, tuple) else value}`"


def action_table() -> str:
    """What each of EC2's actions does here; what clients usually call besides, and is not there."""
    lines = ["| action | what it does |", "|---|---|"]
    for name in model().actions:
        if name in HANDLERS:
            told = " ".join((HANDLERS[name].__doc__ or "").split())
            lines.append(f"| `{name}` | {_cell(told)} |")
    absent = ", ".join(f"`{name}`" for name in model().actions if name not in HANDLERS)
    more = f"Not there yet, and answered by `UnsupportedOperation`: {absent}; and all others that EC2 has."
    return "\n".join(lines) + f"\n\n{more}"


def field_table() -> str:
    """Where each field of an instance comes from."""
    lines = ["| field | source | what | changed by |", "|---|---|---|---|"]
    for name, origin in FIELDS.items():
        by = f"`{origin.by}`" if origin.by else ""
        lines.append(f"| `{name}` | {origin.source} | {_cell(origin.what)} | {by} |")
    return "\n".join(lines)


def instance_operation_table() -> str:
    """What CIRCLE calls what may be asked of a VM, and whose work it is."""
    lines = ["| CIRCLE | here | leads to |", "|---|---|---|"]
    for operation, spec in OPERATIONS.items():
        lines.append(f"| `{operation}` | `{spec.view}` | {spec.resultant or ''} |")
    return "\n".join(lines)


def word_table() -> str:
    """What each front calls a VM's state."""
    lines = ["| state | CC1 | CIRCLE | Xen Orchestra | EC2 |", "|---|---|---|---|---|"]
    for state in VMState:
        circle = STATUSES[state] or "as before"
        lines.append(f"| {state} | {CC1_CODES[state]} | {circle} | {XO_POWER_STATE[state]} | {EC2_STATE[state]} |")
    return "\n".join(lines)


PARTS: dict[str, Callable[[], str]] = {
    "bounds": bound_table,
    "errors": error_table,
    "cloud-errors": lambda: error_table("clm"),
    "common-errors": lambda: common_errors("cm.views"),
    "cloud-common-errors": lambda: common_errors("clm.views"),
    "views": lambda: view_table(views()),
    "types": lambda: type_tables("cm.results"),
    "cloud-types": lambda: type_tables("clm.results"),
    "cloud-views": lambda: view_table(cloud_views()),
    "cloud-settings": lambda: settings_table(cloud.Settings),
    "settings": lambda: settings_table(Settings),
    "endpoint-settings": lambda: settings_table(contextualization.Settings),
    "operations": operation_table,
    "operation-states": lambda: state_part(OPERATION),
    "image-states": lambda: state_part(IMAGE),
    "node-states": lambda: state_part(NODE),
    "attachment-states": lambda: state_part(ATTACHMENT),
    "vm-states": lambda: state_part(VM),
    "versions": version_table,
    "ec2-actions": action_table,
    "instance-fields": field_table,
    "instance-operations": instance_operation_table,
    "state-words": word_table,
}
PAGES = (
    "api.md", "architecture.md", "cloud.md", "cloud-api.md", "dependencies.md", "ec2.md", "instances.md", "limits.md",
    "operator.md", "states.md",
)  # fmt: skip


def renewed(text: str) -> str:
    """A page with its tables as they should be. The markers are HTML comments: ``<!-- begin errors -->``."""

    def replace(found: re.Match[str]) -> str:
        if found[1] not in PARTS:
            return found[0]  # what a test has seen, which holds it against what it sees
        return f"<!-- begin {found[1]} -->\n{PARTS[found[1]]()}\n<!-- end {found[1]} -->"

    return re.sub(r"<!-- begin ([\w-]+) -->\n.*?<!-- end \1 -->", replace, text, flags=re.DOTALL)


def generated() -> dict[Path, bytes]:
    """Every file that is made from the code, wholly or in parts, as it should be now."""
    pages = {DOCS / name: renewed((DOCS / name).read_text()).encode() for name in PAGES}
    cuts = {console.DATA / f"{kind}.json": described(kind) for kind in console.KINDS}
    cases = {ROOT / "cm/views" / FILE: cluster_cases().encode(), ROOT / "clm/views" / FILE: cloud_cases().encode()}
    client = {PORTAL_CLIENT: portal_client()}
    return {**cases, TABLE: clusters.text().encode(), **cuts, console.DATA / "work.json": work(), **client, **pages}


def portal_client() -> bytes:
    """The portal's client of the cloud: its methods, and what they take and answer, as types."""
    registry = add_forwarded(Registry.collect("clm.views"))
    return typescript(plain(openrpc([*registry, *introspection(registry, "Wawel")], "Wawel"))).encode()


def work() -> bytes:
    """What the console says of operations that failed, by their kind."""
    told = {str(kind): spec.failed for kind, spec in SPECS.items()}
    return (json.dumps(told, indent=0, ensure_ascii=False) + "\n").encode()


def main(arguments: Sequence[str] | None = None) -> int:
    """:return: 1 where something is old and is only to be told."""
    parser = argparse.ArgumentParser(prog="bin/generate", description="Write anew whatever is made from the code.")
    parser.add_argument("--check", action="store_true", help="write nothing, name what is old; status 1 if any is")
    checking = parser.parse_args(arguments).check
    for _ in range(ROUNDS):  # one file is made from another
        made = generated()
        old = [path for path in made if not path.exists() or path.read_bytes() != made[path]]
        for path in old:
            print(f"{path.relative_to(DOCS.parent)}: {'old; run bin/generate' if checking else 'renewed'}")
            if not checking:
                path.write_bytes(made[path])
        if checking or not old:
            return 1 if old else 0
    return 0


if __name__ == "__main__":
    sys.exit(main())
