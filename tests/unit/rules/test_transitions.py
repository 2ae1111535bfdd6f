"""The tables of states are whole, everything in them leads to a rest, and the code moves nothing outside of them."""

from __future__ import annotations

import ast
import itertools
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import cache
from pathlib import Path

import pytest

from cm.rpc.vocabulary import OPEN_OPERATIONS, OperationState, PowerOffPolicy, Seen, SeenReason, VMState, Wanted
from cm.rules.operation import SPECS, OperationKind
from cm.rules.transitions import ATTACHMENT, CACHED, IMAGE, NODE, NOUNS, OPERATION, VM, AttachmentState, Noun
from cm.rules.vm import GONE, VMFacts, after_power_off, status
from cm.store import conditions

ROOT = Path(__file__).resolve().parents[3]
STORED = {noun.table: noun for noun in NOUNS if noun.table}
every_noun = pytest.mark.parametrize("noun", NOUNS, ids=lambda noun: noun.name.replace(" ", "_"))

# ------------------------------------------------------------------ the tables themselves


@every_noun
def test_total(noun: Noun) -> None:
    """Every state of the enumeration has one row and can be entered, and no other state is in the table."""
    assert [each.state for each in noun.standings] == list(noun.states)
    assert {move.target for move in noun.moves} - {None} == set(noun.states)
    named = {state for move in noun.moves for state in (move.source, move.target)}
    assert all(state is None or isinstance(state, noun.states) for state in named)


@every_noun
def test_no_state_without_exit(noun: Noun) -> None:
    """What is no rest has an owner, a bound and a way out that leads elsewhere; somebody causes every move."""
    for each in noun.standings:
        if not each.rest:
            assert each.owner or each.work, each.state
            assert each.deadline or each.work, each.state
            assert any(move.target is not each.state for move in noun.exits(each.state)), each.state
        else:
            assert not each.owner and not each.work, each.state
    assert all(move.by for move in noun.moves)


@every_noun
def test_somebody_can_end_it(noun: Noun) -> None:
    """Out of every state that is no rest leads a call, for when its owner does nothing."""
    for each in noun.standings:
        if not each.rest:
            calls = [m for m in noun.exits(each.state) if "." in m.event or m.event.endswith("abandoned")]
            assert [move for move in calls if move.target is not each.state], each.state


@every_noun
def test_a_rest_is_reached(noun: Noun) -> None:
    """From every state a rest or the end of the record can be reached."""
    good: set[StrEnum | None] = {None, *(each.state for each in noun.standings if each.rest)}
    while more := {move.source for move in noun.moves if move.target in good and move.source is not None} - good:
        good |= more
    assert good == {None, *noun.states}


@every_noun
def test_final_is_final(noun: Noun) -> None:
    """No move leads out of a final state, and a state that nothing leaves is said to be final."""
    assert {each.state for each in noun.standings if each.final} == {s for s in noun.states if not noun.exits(s)}
    assert all(each.rest for each in noun.standings if each.final)


def test_open_operations() -> None:
    """The operations that block others are those that do not rest."""
    assert {each.state for each in OPERATION.standings if not each.rest} == set(OPEN_OPERATIONS)
    for state in OPEN_OPERATIONS:
        assert OPERATION.leads_to(state, OperationState.ABANDONED)


# ------------------------------------------------------------------ what the code writes


@dataclass(frozen=True)
class Write:
    """A statement that writes a noun's state. A ``value`` of None comes by a parameter."""

    table: str
    value: str | None
    ends: bool  # the record is closed along with it
    guard: tuple[str, ...]  # the states that it asks to find; empty where it asks for none
    where: str
    function: str


_STATEMENT = re.compile(rf"\b(?:UPDATE|INSERT\s+INTO)\s+({'|'.join(STORED)})\b(?!\s*\.)")
_SET = re.compile(r"\bSET\b(.*?)(?=\bWHERE\b|\bFROM\s+\w+\s+WHERE\b|\bRETURNING\b|\Z)", re.S)
_STATE = re.compile(r"(?<![\w.])state\s*=\s*(.+?)(?=,\s*\w+\s*=|\Z)", re.S)
_GUARD = re.compile(r"(?<![\w])(?:\w+\.)?state\s*(?:=\s*|IN\s*\()((?:'\w+'(?:,\s*)?)+)")
_INSERT = re.compile(r"\(([^()]*)\)\s*VALUES\s*\((.*?)\)\s*(?:RETURNING|ON|\Z)", re.S)


def writes_in(text: str, where: str = "", function: str = "") -> Iterator[Write]:
    """Of an SQL text. What it does not understand it gives as a value that is no state, so that a test fails."""
    starts = [found.start() for found in _STATEMENT.finditer(text)]
    for start, end in itertools.pairwise([*starts, len(text)]):
        statement = text[start:end]
        match = _STATEMENT.match(statement)
        assert match is not None
        table, made = match[1], _INSERT.search(statement)
        if statement.startswith("INSERT") and made is not None:
            columns = [column.strip() for column in made[1].split(",")]
            if "state" in columns:
                given = _arguments(made[2])
                value = given[columns.index("state")] if len(given) == len(columns) else "?"
                yield from (Write(table, word, False, (), where, function) for word in _words(value))
        for clause in _SET.finditer(statement):
            found = _STATE.search(clause[1])
            if found is not None:
                # Every literal of the condition that follows, up to the statement's end.
                guard = tuple(re.findall(r"'(\w+)'", " ".join(_GUARD.findall(statement[clause.end() :]))))
                ends = "deleted_at = clock_timestamp()" in clause[1]
                yield from (Write(table, word, ends, guard, where, function) for word in _words(found[1]))


def _arguments(text: str) -> list[str]:
    """What commas separate, outside of brackets."""
    parts, depth = [""], 0
    for letter in text:
        depth += (letter == "(") - (letter == ")")
        if letter == "," and not depth:
            parts.append("")
        else:
            parts[-1] += letter
    return [part.strip() for part in parts]


def _words(value: str) -> list[str | None]:
    value = value.strip()
    if re.fullmatch(r":\w+", value):
        return [None]
    if value.startswith("CASE"):
        results = re.findall(r"(?:THEN|ELSE)\s+(\S+)", value)
        return [word for each in results if each != "state" for word in _words(each)]
    literal = re.fullmatch(r"'(\w+)'", value)
    return [literal[1] if literal else f"not understood: {value}"]


def texts_in(tree: ast.AST) -> Iterator[tuple[str, int, str]]:
    """
    Every text of a module with its line and the function it stands in. Conditions of ``store/conditions.py`` that are
    filled in are as they are there; anything else that is becomes a blank.
    """

    def walk(node: ast.AST, function: str) -> Iterator[tuple[str, int, str]]:
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            function = node.name
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Prepared":
            if not function and isinstance(node.args[0], ast.Constant):
                function = str(node.args[0].value)  # it is named after the function that runs it
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value, node.lineno, function
        elif isinstance(node, ast.JoinedStr):
            yield "".join(map(_filled_in, node.values)), node.lineno, function
        else:
            for child in ast.iter_child_nodes(node):
                yield from walk(child, function)

    yield from walk(tree, "")


def _filled_in(part: ast.expr) -> str:
    if isinstance(part, ast.Constant):
        return str(part.value)
    called = part.value if isinstance(part, ast.FormattedValue) else None
    if not (isinstance(called, ast.Call) and isinstance(called.func, ast.Name) and hasattr(conditions, called.func.id)):
        return " "
    given = [each.value for each in called.args if isinstance(each, ast.Constant)]
    return str(getattr(conditions, called.func.id)(*given)) if len(given) == len(called.args) else " "


@cache
def sources() -> dict[str, ast.Module]:
    paths = [path for program in ("cm", "contextualization") for path in sorted((ROOT / program).rglob("*.py"))]
    return {str(path.relative_to(ROOT)): ast.parse(path.read_text()) for path in paths}


@cache
def writes() -> tuple[Write, ...]:
    return tuple(
        write
        for path, tree in sources().items()
        if path.startswith("cm/store/")  # nobody else has SQL: tests/unit/test_sql.py
        for text, line, function in texts_in(tree)
        for write in writes_in(text, f"{path}:{line}", function)
    )


# The functions whose statements take the state by a parameter: noun, and the parameter's place in a call. Those without
# one choose it themselves, between members of the enumeration.
WRITERS: dict[str, tuple[Noun, int | None]] = {
    "set_state": (IMAGE, 2),
    "set_attachment": (ATTACHMENT, 3),
    "set_copy": (CACHED, 2),
    "record_node": (NODE, 2),
    "finish": (OPERATION, 2),
    "put_back": (OPERATION, None),
}
# Those that make a record, in a state that is handed to them.
MAKERS: dict[str, tuple[Noun, int | None]] = {"make_image": (IMAGE, 3)}


def states_of(value: ast.expr, function: ast.AST) -> set[str]:
    """What an expression may be: words, members of enumerations, a choice between them, or a local name for that."""
    if isinstance(value, ast.IfExp):
        return states_of(value.body, function) | states_of(value.orelse, function)
    if isinstance(value, ast.Constant):
        return {str(value.value)}
    if isinstance(value, ast.Attribute):
        inner = value.value if value.attr == "value" else value
        if isinstance(inner, ast.Attribute):
            return {inner.attr.lower()}
    if isinstance(value, ast.Name):
        assigned = [
            node.value
            for node in ast.walk(function)
            if isinstance(node, ast.Assign) and any(isinstance(t, ast.Name) and t.id == value.id for t in node.targets)
        ]
        if assigned:
            return {state for each in assigned for state in states_of(each, function)}
    return {f"not understood: {ast.unparse(value)}"}


def given() -> Iterator[tuple[Noun, str, str]]:
    """The states that callers hand to ``WRITERS``: noun, state, place."""
    for path, tree in sources().items():
        for function in ast.walk(tree):
            if not isinstance(function, (ast.FunctionDef, ast.AsyncFunctionDef)):
                continue
            for call in ast.walk(function):
                if not isinstance(call, ast.Call):
                    continue
                place = f"{path}:{call.lineno}"
                # ``f(session, ...)``, or ``database.transact(f, ...)``, which puts the session in.
                if isinstance(call.func, ast.Name):
                    name, arguments = call.func.id, call.args
                elif call.args and isinstance(call.args[0], ast.Name):
                    name, arguments = call.args[0].id, call.args
                else:
                    continue
                noun, number = {**WRITERS, **MAKERS}.get(name, (None, None))
                if noun is not None and number is not None and len(arguments) > number:
                    yield from ((noun, state, place) for state in states_of(arguments[number], function))


def test_every_state_written_is_in_its_table() -> None:
    """Every UPDATE and INSERT of a noun's table writes a state of the noun, literally or by a writer that is known."""
    literal = [write for write in writes() if write.value is not None]
    assert not [write for write in literal if write.value not in set(STORED[write.table].states)]
    bound = {(write.function, write.table) for write in writes() if write.value is None}
    assert bound == {(name, noun.table) for name, (noun, _) in WRITERS.items()}


def test_every_state_given_is_in_its_table() -> None:
    """Every state that is handed to a writer is one of the noun's."""
    found = list(given())
    assert not [(state, place) for noun, state, place in found if state not in set(noun.states)]
    assert {noun.name for noun, _, _ in found} == {noun.name for noun, number in WRITERS.values() if number is not None}


def test_every_guarded_write_is_a_move() -> None:
    """A statement that asks for the state it finds makes a move that the table allows."""
    asked = [write for write in writes() if write.value is not None and write.guard]
    assert len(asked) >= 6
    for write in asked:
        noun = STORED[write.table]
        target = None if write.ends else noun.states(write.value)
        for word in write.guard:
            assert noun.leads_to(noun.states(word), target), write


@pytest.mark.parametrize("noun", STORED.values(), ids=STORED)
def test_no_state_is_invented(noun: Noun) -> None:
    """Every state of a table is written somewhere: in SQL, by a writer, or as what the column is made with."""
    written = {write.value for write in writes() if write.table == noun.table}
    written |= {state for each, state, _ in given() if each is noun}
    # Those that the writers without a place choose between.
    written |= {OperationState.WAITING, OperationState.QUEUED} if noun is OPERATION else set()
    assert set(noun.states) <= written


def test_states_are_written_as_text() -> None:
    """No edit in SQLAlchemy Core, which the scanner does not read, has a state among its columns."""
    named = re.compile(r"\b(?:Image|Node|Operation|StorageAttachment)\.state\b|\.values\((?:[^()]|\([^()]*\))*\bstate=")
    assert named.search("edit_row(session, Image, 1, (Image.state,), values)")
    stores = {path: tree for path, tree in sources().items() if path.startswith("cm/store/")}
    assert not [path for path, tree in stores.items() if named.search(ast.unparse(tree))]


def test_columns_begin_in_a_state() -> None:
    """What a column is made with where nothing is said is a state that a record begins in, or a node's first."""
    for path, tree in sources().items():
        if not path.startswith("cm/models/"):
            continue
        for table in (node for node in ast.walk(tree) if isinstance(node, ast.ClassDef)):
            text = ast.unparse(table)
            name = re.search(r"__tablename__ = '(\w+)'", text)
            default = re.search(r"^ +state: .*server_default=text\(\"'(\w+)'\"\)", text, re.M)
            if name and name[1] in STORED and default:
                assert default[1] in set(STORED[name[1]].states), path


def test_open_is_written_once() -> None:
    """Which operations are open, statements ask of ``store/conditions.py``; none lists the states itself."""
    listed = re.compile(r"'queued',\s*'(running|waiting)'")
    assert not [path for path in sources() if listed.search((ROOT / path).read_text())]
    assert conditions.is_open("o") == "o.state IN ('queued', 'running', 'waiting')"
    assert conditions.is_due("o") == "o.state IN ('queued', 'waiting')"
    assert set(re.findall(r"'(\w+)'", conditions.is_on())).isdisjoint(GONE)


def test_scanner() -> None:
    """The scanner sees what it is there to see."""

    def seen(text: str) -> list[tuple[str, str | None, bool, tuple[str, ...]]]:
        return [(w.table, w.value, w.ends, w.guard) for w in writes_in(text)]

    assert seen("UPDATE image SET error = '', state = 'gone' WHERE id = 1") == [("image", "gone", False, ())]
    assert seen("UPDATE image SET state = 'x', deleted_at = clock_timestamp() WHERE state = 'adding' RETURNING 1") == [
        ("image", "x", True, ("adding",))
    ]
    assert seen("UPDATE operation SET state = 'a' WHERE id IN (SELECT 1 FROM o WHERE o.state IN ('b', 'c'))") == [
        ("operation", "a", False, ("b", "c"))
    ]
    assert seen("UPDATE operation SET step = 1 WHERE state = 'running'") == []
    assert seen("UPDATE node SET state = CASE WHEN :m THEN 'odd' ELSE state END, version = 2 WHERE id = 1") == [
        ("node", "odd", False, ())
    ]
    assert seen("INSERT INTO node (a, state) VALUES (f(1, 2), 'up') RETURNING id") == [("node", "up", False, ())]
    upsert = "INSERT INTO storage_attachment (a, state) VALUES (1, :s) ON CONFLICT (a) DO UPDATE SET state = 'odd'"
    assert seen(upsert) == [("storage_attachment", None, False, ()), ("storage_attachment", "odd", False, ())]
    assert seen("UPDATE image SET state = lower('OK')") == [("image", "not understood: lower('OK')", False, ())]
    filled = ast.parse("""f"UPDATE operation SET state = 'a' WHERE {x} AND {is_open('o')}\"""")
    assert [seen(text) for text, _, _ in texts_in(filled)] == [
        [("operation", "a", False, tuple(str(state) for state in OPEN_OPERATIONS))]
    ]
    call = ast.parse("def f():\n    s = 'a' if x else State.B.value\n    g(s)\n    g(h())").body[0]
    assert isinstance(call, ast.FunctionDef)
    assert states_of(ast.Name("s"), call) == {"a", "b"}
    assert states_of(ast.parse("h()", mode="eval").body, call) == {"not understood: h()"}


def test_attachment_states() -> None:
    """The words that are compared with an attachment's state are its states."""
    compared = set()
    for path in ("cm/services/storage.py", "cm/operations/storage_attach.py"):
        for node in ast.walk(sources()[path]):
            if isinstance(node, ast.Compare) and re.match(r"state\b|find_attachment\(", ast.unparse(node.left)):
                compared |= {str(c.value) for c in node.comparators if isinstance(c, ast.Constant) and c.value}
    assert compared and compared <= set(AttachmentState)


# ------------------------------------------------------------------ the VM, whose status is computed

EVERY = [
    VMFacts(*facts) for facts in itertools.product(Wanted, Seen, (False, True), (False, True), (None, *OperationKind))
]
NAMES = {kind: spec.call for kind, spec in SPECS.items() if spec.call}
LAUNCHES = (OperationKind.VM_CREATE, OperationKind.VM_START, OperationKind.VM_WAKE_UP)
ENDS = (OperationKind.VM_SAVE, OperationKind.VM_DESTROY)


def test_whole_product() -> None:
    """
    Every combination of intent, evidence and work shows a state of the table; one that is no rest has an open operation
    that owns it, or calls that lead out of it.
    """
    assert len(EVERY) == len(Wanted) * len(Seen) * 2 * 2 * (len(OperationKind) + 1)
    for facts in EVERY:
        state = status(facts)
        standing = VM.standing(state)
        assert standing.final == facts.closed
        if standing.rest:
            assert facts.work is None or SPECS[facts.work].shown is None or facts.closed
        elif standing.work:
            assert facts.work in standing.work
        else:
            assert [kind for kind in NAMES if state in SPECS[kind].allowed]
            assert standing.owner


def test_states_that_work_gives() -> None:
    """The table says of every state under way which operations give it, as the kinds do."""
    given = {kind: each.state for each in VM.standings for kind in each.work}
    assert given == {kind: spec.shown for kind, spec in SPECS.items() if spec.shown is not None}


def test_calls_are_moves() -> None:
    """What the kinds let callers do leads where the table says, and the table lets them do no more."""
    allowed = {
        (state, name, SPECS[kind].shown)
        for kind, name in NAMES.items()
        if SPECS[kind].shown is not None
        for state in SPECS[kind].allowed
    }
    interrupted = {spec.shown for spec in SPECS.values() if spec.interruptible and spec.shown is not None}
    allowed |= {(state, "vm.destroy", VMState.DESTROYING) for state in interrupted}
    calls = {(m.source, m.event, m.target) for m in VM.moves if m.event in NAMES.values()}
    assert calls == allowed


def wanted_by(kind: OperationKind) -> Wanted:
    wanted = SPECS[kind].wanted
    assert wanted is not None
    return wanted


def settled(facts: VMFacts, seen: Seen) -> Iterator[VMFacts]:
    """After an end that nobody asked for; a save whose image fits no quota becomes a stop."""
    for policy, reason in itertools.product(PowerOffPolicy, (SeenReason.SHUTDOWN, SeenReason.HOST_RESTARTED)):
        kind = after_power_off(facts.wanted, policy, reason)
        if kind is None:
            yield replace(facts, seen=seen)
            continue
        for each in (kind, OperationKind.VM_STOP) if kind is OperationKind.VM_SAVE else (kind,):
            yield replace(facts, seen=seen, work=each, wanted=wanted_by(each))


def by_evidence(facts: VMFacts) -> VMFacts:
    """The operation has ended, and what is seen is wanted (``intend_as_seen`` in ``cm/store/vm_state.py``)."""
    wanted = {Seen.RUNNING: Wanted.RUNNING, Seen.PAUSED: Wanted.PAUSED}.get(facts.seen, Wanted.STOPPED)
    return replace(facts, wanted=wanted, work=None)


def happenings(facts: VMFacts) -> Iterator[tuple[str, VMFacts]]:
    """What may happen to a VM, as services and operations write it: calls, evidence, and how work ends."""
    if facts.closed:
        return
    for kind, name in NAMES.items():
        free = facts.work is None and status(facts) in SPECS[kind].allowed
        if free or (kind is OperationKind.VM_DESTROY and facts.work is not None and SPECS[facts.work].interruptible):
            yield name, replace(facts, work=kind, wanted=wanted_by(kind), failed=False)
    yield "vm.erase", replace(facts, closed=True, work=None)
    yield from evidence(facts)
    if facts.work is None:
        # Any kind may have failed before; a retry asks for no state but that nothing else is under way.
        for kind, spec in SPECS.items():
            if spec.wanted is not None and (status(facts) is not VMState.TRASHED or VMState.TRASHED in spec.allowed):
                yield "operation.retry", replace(facts, work=kind, wanted=spec.wanted, failed=False)
        if facts.seen in (Seen.RUNNING, Seen.PAUSED) and facts.wanted is Wanted.STOPPED:
            yield "drift.apply", replace(facts, work=OperationKind.VM_STOP)
        if status(facts) is VMState.TRASHED:
            yield "vm.recover", replace(facts, wanted=Wanted.STOPPED, failed=False)
            destroyed = replace(facts, work=OperationKind.VM_DESTROY, wanted=Wanted.DESTROYED, failed=False)
            yield "in the trash for `cluster.vm_trash_s`", destroyed
    else:
        yield from endings(facts, facts.work)


def evidence(facts: VMFacts) -> Iterator[tuple[str, VMFacts]]:
    for seen in {Seen.RUNNING, Seen.PAUSED} - {facts.seen}:
        after = replace(facts, seen=seen)
        forgets = facts.work is None and facts.wanted is Wanted.SUSPENDED
        if forgets and seen is Seen.PAUSED and facts.seen is not Seen.RUNNING:
            continue  # it has not gone on yet
        yield f"seen {seen}", by_evidence(after) if forgets else after
    if facts.seen not in GONE:
        for seen in GONE:
            after = settled(facts, seen) if facts.work is None else [replace(facts, seen=seen)]
            yield from (("its domain ended", each) for each in after)


def endings(facts: VMFacts, kind: OperationKind) -> Iterator[tuple[str, VMFacts]]:
    rested = replace(facts, work=None)
    lives = facts.seen in (Seen.RUNNING, Seen.PAUSED)
    if kind in LAUNCHES:
        yield "asks the hypervisor", replace(facts, seen=Seen.UNKNOWN)
        yield "done", replace(rested, seen=Seen.RUNNING, failed=False)
        if facts.seen in GONE:
            yield from (("done", each) for each in settled(facts, facts.seen))
    elif kind in ENDS:
        yield "done", replace(rested, closed=True)
    elif kind in (OperationKind.VM_STOP, OperationKind.VM_SHUTDOWN, OperationKind.VM_TRASH):
        if not lives:
            yield "done", replace(rested, failed=False)
    elif kind is OperationKind.VM_SUSPEND:
        if facts.seen in GONE:
            yield "done", replace(rested, failed=False)
            yield "failed or deadline", rested  # it is written, and its node was not heard of since
    else:
        seen = Seen.PAUSED if kind is OperationKind.VM_PAUSE else Seen.RUNNING
        event = {OperationKind.VM_PAUSE: "pause done", OperationKind.VM_RESUME: "resume done"}.get(kind, "done")
        yield event, replace(rested, seen=seen if lives else facts.seen)
    if kind is OperationKind.VM_WAKE_UP:
        for event in ("failed or deadline", "operation.abandon"):
            yield event, by_evidence(facts) if lives else replace(rested, wanted=Wanted.SUSPENDED)
    elif kind is OperationKind.VM_SAVE:
        yield "failed or deadline", replace(by_evidence(facts), failed=True)
    elif kind in (*LAUNCHES, OperationKind.VM_DESTROY):
        yield "failed or deadline", replace(rested, failed=True)
    else:
        yield "failed or deadline", rested if kind is OperationKind.VM_STOP else by_evidence(facts)
    if kind is OperationKind.VM_CREATE:
        yield "operation.abandon", replace(facts, work=OperationKind.VM_DESTROY, wanted=Wanted.DESTROYED)
    elif kind not in (OperationKind.VM_DESTROY, OperationKind.VM_WAKE_UP):
        yield "operation.abandon", by_evidence(facts)


def test_vm_moves() -> None:
    """From a VM that is just made, what may happen leads through all moves of the table, and through no other."""
    made = VMFacts(Wanted.RUNNING, Seen.UNKNOWN, closed=False, failed=False, work=OperationKind.VM_CREATE)
    reached, todo, moves = {made}, [made], {(None, "vm.create", status(made))}
    while todo:
        facts = todo.pop()
        for event, after in happenings(facts):
            if status(after) is not status(facts):
                moves.add((status(facts), event, status(after)))
            if after not in reached:
                reached.add(after)
                todo.append(after)
    stated = {(m.source, m.event, m.target) for m in VM.moves}
    assert moves - stated == set()
    assert stated - moves == set()
