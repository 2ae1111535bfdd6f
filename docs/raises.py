"""
Which errors a function may answer with, read off the code: what it and whatever it calls raises and nobody on the way
catches. Calls are followed by names and by annotations (``values.py``); whatever is handed on as a function is taken as
called. A branch that a call's None, True or False rules out is left out. Where what is raised is made by something that
cannot be followed, the docstring's word is taken. It is no proof: a call through a value whose
type nothing says is not followed, and a branch may be ruled out by more than that. What tests meet is held against it.
"""

from __future__ import annotations

import ast
import importlib
import inspect
import re
import types
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from cm.interfaces.calls import Call, Job
from cm.interfaces.guest_agent import IGuestAgents
from cm.interfaces.hypervisor import IHypervisor
from cm.interfaces.managed import IManaged
from cm.interfaces.network import INetworks
from cm.interfaces.stream import IStreams
from cm.interfaces.volume import IPools, IVolumes
from cm.rpc import errors
from cm.rpc.errors import CloudError, HypervisorError, NodeBusy, NodeUnreachable
from values import Bound, Many, Names, changed_in, is_function, is_ours, tree, typed

NODE = frozenset({NodeUnreachable, NodeBusy, HypervisorError})  # of whatever is asked of one
PRESENT = object()  # what is known of a parameter that is certainly not None
_LEAVE = (ast.Return, ast.Raise, ast.Continue, ast.Break)
_RAISES = re.compile(r"((?:[A-Z]\w+: )+)")


@dataclass
class Summary:
    """What one function does: each with what catches it."""

    raised: list[tuple[type[CloudError], tuple[type, ...]]] = field(default_factory=list)
    called: list[tuple[Any, tuple[type, ...]]] = field(default_factory=list)


class _Reader(Names):
    """Reads one function."""

    def __init__(self, function: Any, owner: type | None, known: Mapping[str, Any] | None = None) -> None:
        super().__init__(function, owner)
        self.known = dict(known or {})
        self.handled: set[int] = set()
        self.summary = Summary()
        self.catching: tuple[type, ...] = ()

    def read(self) -> Summary:
        self.block(self.code.body)
        return self.summary

    def block(self, statements: list[ast.stmt]) -> None:
        """Statements in turn, as far as they are come to."""
        for statement in statements:
            self.visit(statement)
            if isinstance(statement, ast.If):
                outcome = self.truth(statement.test)
                taken = statement.body if outcome is True else statement.orelse if outcome is False else []
                if taken and isinstance(taken[-1], _LEAVE):
                    return
            elif isinstance(statement, (ast.Return, ast.Raise)):
                return

    def truth(self, node: ast.AST) -> bool | None:
        """Whether a condition holds, where what it asks for is known: None, True or False was handed on."""
        match node:
            case ast.Constant():
                return bool(node.value)
            case ast.Name():
                known = self.known.get(node.id, PRESENT)
                return None if known is PRESENT else bool(known)
            case ast.UnaryOp(op=ast.Not()):
                inner = self.truth(node.operand)
                return None if inner is None else not inner
            case ast.BoolOp():
                made = [self.truth(each) for each in node.values]
                ends = isinstance(node.op, ast.Or)
                return ends if ends in made else None if None in made else not ends
            case ast.Compare(left=ast.Name(id=name), ops=[ast.Is() | ast.IsNot() as op], comparators=[right]):
                if name in self.known and isinstance(right, ast.Constant) and right.value is None:
                    return (self.known[name] is None) == isinstance(op, ast.Is)
        return None

    def constant(self, node: ast.AST) -> tuple[bool, Any]:
        if isinstance(node, ast.Constant) and (node.value is None or isinstance(node.value, bool)):
            return True, node.value
        if isinstance(node, ast.Name) and node.id in self.known:
            return True, self.known[node.id]
        return (True, PRESENT) if self.is_present(node) else (False, None)

    def handed(self, function: Any, args: list[ast.expr], keywords: list[ast.keyword], skip: int) -> dict[str, Any]:
        """Of a function's parameters those that are known to be None, True or False in a call."""
        function = inspect.unwrap(function.function if isinstance(function, Bound) else function)
        code = tree(function.__module__).get(function.__qualname__) if is_ours(function.__module__) else None
        if code is None or any(isinstance(each, ast.Starred) for each in args) or any(k.arg is None for k in keywords):
            return {}
        names = [each.arg for each in (*code.args.posonlyargs, *code.args.args)]
        given: dict[str, ast.AST] = dict(zip(names[skip:], args, strict=False))
        given |= {each.arg: each.value for each in keywords if each.arg}
        defaults = dict(zip(names[len(names) - len(code.args.defaults) :], code.args.defaults, strict=True))
        named = zip(code.args.kwonlyargs, code.args.kw_defaults, strict=True)
        defaults |= {argument.arg: default for argument, default in named if default is not None}
        made = {}
        for name, node in {**defaults, **given}.items():
            is_known, value = self.constant(node)
            if is_known:
                made[name] = value
        for name in changed_in(code):
            made.pop(name, None)
        return made

    def visit_If(self, node: ast.If) -> None:
        self.visit(node.test)
        outcome = self.truth(node.test)
        if outcome is not False:
            self.block(node.body)
        if outcome is not True:
            self.block(node.orelse)

    def visit_IfExp(self, node: ast.IfExp) -> None:
        self.visit(node.test)
        outcome = self.truth(node.test)
        if outcome is not False:
            self.visit(node.body)
        if outcome is not True:
            self.visit(node.orelse)

    def visit_BoolOp(self, node: ast.BoolOp) -> None:
        for each in node.values:
            self.visit(each)
            if self.truth(each) is isinstance(node.op, ast.Or):
                return

    # ---- statements

    def call(self, function: Any, known: Mapping[str, Any] | None = None) -> None:
        for each in (function, *_overridden(function)):
            self.summary.called.append((_key(each, known), self.catching))

    def bind(self, target: ast.AST, made: Any) -> None:
        if isinstance(target, ast.Name) and made is not None:
            self.local[target.id] = made
        elif isinstance(target, ast.Name):
            self.local.setdefault(target.id, None)

    def visit_Assign(self, node: ast.Assign) -> None:
        self.generic_visit(node)
        for target in node.targets:
            self.bind(target, self.value(node.value))

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        self.generic_visit(node)
        made = None if node.value is None else self.value(node.value)
        self.bind(node.target, typed(self.value(node.annotation)) if made is None else made)

    def visit_NamedExpr(self, node: ast.NamedExpr) -> None:
        self.generic_visit(node)
        self.bind(node.target, self.value(node.value))

    def _loop(self, node: Any) -> None:
        held = self.value(node.iter)
        self.bind(node.target, held.of if isinstance(held, Many) else None)

    def visit_For(self, node: ast.For) -> None:
        self._loop(node)
        self.generic_visit(node)

    def _comprehension(self, node: Any) -> None:
        for each in node.generators:
            self._loop(each)
        self.generic_visit(node)

    visit_ListComp = visit_SetComp = visit_GeneratorExp = visit_DictComp = _comprehension

    def visit_Name(self, node: ast.Name) -> None:
        if isinstance(node.ctx, ast.Load) and id(node) not in self.handled:
            self.use(self.found(node.id))

    def visit_Attribute(self, node: ast.Attribute) -> None:
        if id(node) not in self.handled:
            self.use(self.value(node))
        self.generic_visit(node)

    def use(self, found: Any) -> None:
        if isinstance(found, (Call, Job)):
            self.summary.raised += [(error, self.catching) for error in at_node(found)]
        elif is_function(found):
            self.call(found)

    def visit_Call(self, node: ast.Call) -> None:
        called = self.value(node.func)
        if is_function(called):
            self.handled.add(id(node.func))
            self.call(called, self.handed(called, node.args, node.keywords, 1 if isinstance(called, Bound) else 0))
        for index, argument in enumerate(node.args):
            function = self.value(argument)
            if is_function(function):  # handed on, to be called with what follows; by a database after its session
                self.handled.add(id(argument))
                names = list(inspect.signature(getattr(function, "function", function)).parameters)
                skip = int(isinstance(function, Bound)) + int(names[:1] == ["session"])
                self.call(function, self.handed(function, node.args[index + 1 :], node.keywords, skip))
        if isinstance(called, type) and issubclass(called, CloudError):
            self.summary.raised.append((called, self.catching))
        elif isinstance(called, type) and is_ours(called.__module__):
            for name in ("__init__", "__post_init__"):
                made = inspect.getattr_static(called, name, None)
                if isinstance(made, types.FunctionType) and made.__qualname__ in tree(made.__module__):
                    bound = Bound(made, called)
                    self.call(bound, self.handed(bound, node.args, node.keywords, 1))
        self.generic_visit(node)

    def visit_Raise(self, node: ast.Raise) -> None:
        if isinstance(node.exc, ast.Name):
            made = self.found(node.exc.id)
            if isinstance(made, type) and issubclass(made, CloudError):
                self.summary.raised.append((made, self.catching))
        if isinstance(node.exc, ast.Call) and self.value(node.exc.func) is None:
            for error in self.promised():  # made by something that is not followed
                self.summary.raised.append((error, self.catching))
        self.generic_visit(node)

    def promised(self) -> Iterator[type[CloudError]]:
        """What the function's docstring says that it raises."""
        for name in raises_of(inspect.getdoc(self.function) or ""):
            made = self.found(name)
            if isinstance(made, type) and issubclass(made, CloudError):
                yield made

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        if is_ours(node.module) and node.module is not None:
            home = importlib.import_module(node.module)
            for alias in node.names:
                self.local[alias.asname or alias.name] = getattr(home, alias.name, None)

    def visit_FunctionDef(self, node: Any) -> None:
        self.block(node.body)  # one within: taken as called where it stands

    visit_AsyncFunctionDef = visit_FunctionDef

    def visit_Try(self, node: ast.Try) -> None:
        before = self.catching
        caught: list[type] = []
        for handler in node.handlers:
            again = any(
                isinstance(each, ast.Raise)
                and (each.exc is None or (isinstance(each.exc, ast.Name) and each.exc.id == handler.name))
                for statement in handler.body
                for each in ast.walk(statement)
            )
            if not again:
                caught += self.classes(handler.type)
        self.catching = (*before, *caught)
        self.block(node.body)
        self.catching = before
        for handler in node.handlers:
            if handler.name:
                self.local[handler.name] = None
            self.block(handler.body)
        self.block(node.orelse)
        self.block(node.finalbody)

    def classes(self, node: ast.AST | None) -> list[type]:
        if node is None:
            return [BaseException]
        parts = node.elts if isinstance(node, ast.Tuple) else [node]
        return [made for made in map(self.value, parts) if isinstance(made, type)]

    def visit_With(self, node: Any) -> None:
        before = self.catching
        for item in node.items:
            self.visit(item.context_expr)
            if isinstance(item.context_expr, ast.Call) and ast.unparse(item.context_expr.func).endswith("suppress"):
                for argument in item.context_expr.args:
                    self.catching = (*self.catching, *self.classes(argument))
        self.block(node.body)
        self.catching = before

    visit_AsyncWith = visit_With


def _overridden(function: Any) -> Iterator[Bound]:
    """What classes below the one that a method is called of have in its place."""
    if isinstance(function, Bound):
        for below in function.of.__subclasses__():
            own = vars(below).get(function.function.__name__)
            if isinstance(own, types.FunctionType):
                yield Bound(own, below)
            yield from _overridden(Bound(function.function, below))


def raises_of(doc: str) -> set[str]:
    """The names of the errors that a docstring tells."""
    found = (_RAISES.match(line) for line in doc.split(":raises ")[1:])
    return {name for each in found if each for name in each[1].replace(":", "").split()}


@cache
def at_node(found: Call[..., Any] | Job[..., Any]) -> frozenset[type[CloudError]]:
    """What a call at a node may end with: what any may, and what its interface says."""
    names: set[str] = set()
    job = found.job if isinstance(found, Call) else found
    for call in _calls_in(job) if isinstance(found, Job) else (found.job.name,):
        for part in (IHypervisor, IPools, IVolumes, INetworks, IStreams, IManaged, IGuestAgents):
            names |= raises_of(inspect.getdoc(getattr(part, call, None)) or "")
    return NODE | {getattr(errors, name) for name in names}


def _calls_in(job: Job[..., Any]) -> Iterator[str]:
    code = tree(job.function.__module__)[job.function.__qualname__]
    for each in ast.walk(code):
        if isinstance(each, ast.Call) and isinstance(each.func, ast.Attribute):
            yield each.func.attr


def _key(function: Any, known: Mapping[str, Any] | None = None) -> Any:
    """A function as it is called: whose method, and which parameters are known."""
    called, of = (function.function, function.of) if isinstance(function, Bound) else (function, None)
    return inspect.unwrap(called), of, tuple(sorted((known or {}).items()))


class Raises:
    """What functions may raise."""

    def __init__(self) -> None:
        self._summaries: dict[Any, Summary] = {}

    def _summary(self, key: Any) -> Summary:
        if key not in self._summaries:
            function, owner, known = key
            self._summaries[key] = Summary()
            if getattr(owner, "_is_protocol", False):  # its docstring is all that there is
                told = raises_of(inspect.getdoc(function) or "")
                self._summaries[key].raised = [(getattr(errors, name), ()) for name in sorted(told)]
            elif is_ours(function.__module__) and function.__qualname__ in tree(function.__module__):
                self._summaries[key] = _Reader(function, owner, dict(known)).read()
        return self._summaries[key]

    def of(self, *functions: Any) -> set[type[CloudError]]:
        """What escapes from any of these."""
        keys = [_key(function) for function in functions]
        todo, seen = list(keys), set(keys)
        while todo:
            for key, _ in self._summary(todo.pop()).called:
                if key not in seen:
                    seen.add(key)
                    todo.append(key)
        escaping: dict[Any, set[type[CloudError]]] = {key: set() for key in seen}
        changed = True
        while changed:
            changed = False
            for key in seen:
                made = {error for error, caught in self._summary(key).raised if not issubclass(error, caught)}
                for called, caught in self._summary(key).called:
                    made |= {error for error in escaping[called] if not issubclass(error, caught)}
                if made != escaping[key]:
                    escaping[key], changed = made, True
        return set().union(*(escaping[key] for key in keys))
