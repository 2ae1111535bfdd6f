"""
Where a file of Python can be edited, and into what: one small edit each, as somebody might write it who is tired.

An edit replaces some bytes and leaves all others as they are, so that its difference is what it does.
"""

from __future__ import annotations

import ast
import hashlib
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

from mutation.sql import sql_edits

# Statements whose loss nobody is to notice but who reads the log or the metrics.
_TOLD_ASIDE: Final = re.compile(r"(^|\.)_?(log|logger|metrics?|warnings)\.|^print$")
# A moment more or less is nobody's.
_MOMENT: Final = re.compile(r"now\b|now_s|time|clock|deadline|until|since|seconds|_at\b|_s\b")
_AT_COMMIT: Final = re.compile(r"(\.note|^notify|^document_changed)\(")
_COLLECTS: Final = re.compile(r"\.(append|add|extend|update|pop|discard|clear|setdefault)\(")
_CALLS: Final = (
    ("lock", re.compile(r"(^|_)lock")),
    ("render", re.compile(r"render|record_change|change|tell|told|notify|note|publish|announce")),
    ("check", re.compile(r"check|require|refuse|authorize|ensure|verify|guard|judge|recognise|limit")),
)
_BOUNDARIES: Final[dict[type[ast.cmpop], tuple[str, str]]] = {
    ast.Lt: ("<", "<="), ast.LtE: ("<=", "<"), ast.Gt: (">", ">="), ast.GtE: (">=", ">"),
}  # fmt: skip
_OPPOSITES: Final[dict[type[ast.cmpop], tuple[str, str]]] = {
    ast.Eq: ("==", "!="), ast.NotEq: ("!=", "=="), ast.Is: ("is", "is not"), ast.IsNot: ("is not", "is"),
    ast.In: ("in", "not in"), ast.NotIn: ("not in", "in"),
}  # fmt: skip
KINDS: Final = {
    "condition": "a condition is left out, or a case always or never happens",
    "sql condition": "one AND of a statement's WHERE or ON is left out",
    "lock": "a lock of rows is not taken",
    "render": "a change is not rendered, recorded or told",
    "check": "something is not checked, or not refused",
    "call": "a step is left out",
    "order": "two steps change places",
    "variable": "another variable of the same type is used",
    "boundary": "a bound lies one off",
    "comparison": "a comparison says the opposite",
    "return": "an answer of yes or no is the opposite",
}


@dataclass(frozen=True, order=True)
class Site:
    """
    One edit: the bytes from ``start`` to ``end`` of a file become ``new``.

    :ivar line: of the first byte, from 1.
    :ivar lines: that have to run for it to matter: the first and the last of its statement.
    :ivar inside: whether these lines are a function's; others run once, at the import.
    :ivar diff: the lines that it takes and those that it puts.
    :ivar number: among those of this file with the same difference, from 0.
    """

    file: str
    start: int
    end: int
    kind: str
    new: str
    line: int
    lines: tuple[int, int]
    inside: bool
    diff: str
    number: int = 0

    @property
    def key(self) -> str:
        """What it is called, wherever in the file its lines move to."""
        told = "\0".join((self.file, self.kind, self.diff, str(self.number)))
        return hashlib.sha256(told.encode()).hexdigest()[:12]

    def applied(self, source: bytes) -> bytes:
        return source[: self.start] + self.new.encode() + source[self.end :]

    def compiles(self, source: bytes) -> bool:
        """Whether it leaves a program, and another one."""
        try:
            return ast.dump(ast.parse(self.applied(source))) != ast.dump(ast.parse(source))
        except SyntaxError:
            return False


def find_sites(file: str, source: bytes) -> list[Site]:
    """
    All sites of a module, in order.

    :param file: its path in the tree.
    """
    finder = _Finder(file, source)
    finder.visit(ast.parse(source))
    found: list[Site] = []
    seen: Counter[tuple[str, str]] = Counter()
    for site in sorted(set(finder.sites)):
        found.append(replace(site, number=seen[site.kind, site.diff]))
        seen[site.kind, site.diff] += 1
    return found


class _Finder(ast.NodeVisitor):
    def __init__(self, file: str, source: bytes) -> None:
        self.sites: list[Site] = []
        self._file = file
        self._source = source
        self._starts = [0]
        for line in source.splitlines(keepends=True):
            self._starts.append(self._starts[-1] + len(line))
        self._statements: list[ast.stmt] = []
        self._functions: list[ast.FunctionDef | ast.AsyncFunctionDef] = []

    # ------------------------------------------------------------------ places

    def _span(self, node: ast.AST) -> tuple[int, int]:
        assert isinstance(node, ast.expr | ast.stmt) and node.end_lineno is not None and node.end_col_offset is not None
        start = self._starts[node.lineno - 1] + node.col_offset
        return start, self._starts[node.end_lineno - 1] + node.end_col_offset

    def _text(self, node: ast.AST) -> str:
        start, end = self._span(node)
        return self._source[start:end].decode()

    def _add(self, kind: str, start: int, end: int, new: str, inside: bool = False) -> None:
        line = self._source.count(b"\n", 0, start) + 1
        last = self._source.count(b"\n", 0, end) + 1
        statement = self._statements[-1] if self._statements else None
        lines = (line, last)
        # A text over several lines runs as the line on which its statement begins.
        if statement is not None and not hasattr(statement, "body"):
            lines = (statement.lineno, statement.end_lineno or statement.lineno)
        inside = inside or bool(self._functions)
        if not inside and isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef):
            lines = (statement.body[0].lineno, statement.end_lineno or statement.lineno)
        self.sites.append(Site(self._file, start, end, kind, new, line, lines, inside, self._diff(start, end, new)))

    def _diff(self, start: int, end: int, new: str) -> str:
        first = self._source.rfind(b"\n", 0, start) + 1
        last = self._source.find(b"\n", end) % (len(self._source) + 1)
        before = self._source[first:last].decode().splitlines()
        after = (self._source[first:start] + new.encode() + self._source[end:last]).decode().splitlines()
        while len(before) > 1 and len(after) > 1 and before[-1] == after[-1]:
            del before[-1], after[-1]
        return "\n".join([f"-{line}" for line in before] + [f"+{line}" for line in after])

    def _replace(self, kind: str, node: ast.AST, new: str) -> None:
        self._add(kind, *self._span(node), new)

    # ------------------------------------------------------------------ statements

    def visit(self, node: ast.AST) -> None:
        if isinstance(node, ast.stmt):
            if _is_docstring(node) or _is_only_types(node):
                return
            self._statements.append(node)
        if self._functions or isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            for name in ("body", "orelse", "finalbody"):
                block = getattr(node, name, None)
                if isinstance(block, list):
                    self._block(block)
        super().visit(node)
        if isinstance(node, ast.stmt):
            self._statements.pop()

    def _block(self, block: Sequence[ast.stmt]) -> None:
        for first, second in zip(block, block[1:], strict=False):
            if _may_change_places(first, second):
                (start, middle), (after, end) = self._span(first), self._span(second)
                between = self._source[middle:after].decode()
                self._statements.append(first)
                self._add("order", start, end, self._text(second) + between + self._text(first), inside=True)
                self._statements.pop()

    def visit_FunctionDef(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        if node.name == "__repr__":
            return
        self._functions.append(node)
        for statement in node.body:
            self.visit(statement)
        self._functions.pop()
        for default in [*node.args.defaults, *[each for each in node.args.kw_defaults if each is not None]]:
            self.visit(default)

    visit_AsyncFunctionDef = visit_FunctionDef

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        if node.value is not None:
            self.visit(node.value)

    def visit_Expr(self, node: ast.Expr) -> None:
        call = node.value.value if isinstance(node.value, ast.Await) else node.value
        if isinstance(call, ast.Call) and self._functions:
            name = ast.unparse(call.func)
            if _TOLD_ASIDE.search(name):
                return
            last = name.rpartition(".")[2]
            kind = next((kind for kind, pattern in _CALLS if pattern.search(last)), "call")
            self._replace(kind, node, "pass")
        self.generic_visit(node)

    def visit_Raise(self, node: ast.Raise) -> None:
        if node.exc is not None and self._functions:
            self._replace("check", node, "pass")
        # What an error says is read by people.

    def visit_If(self, node: ast.If) -> None:
        # A refusal is left out by its "raise" already.
        if not (len(node.body) == 1 and isinstance(node.body[0], ast.Raise) and not node.orelse):
            self._replace("condition", node.test, "False")
            if not node.orelse:
                self._replace("condition", node.test, "True")
        self.generic_visit(node)

    def visit_Assert(self, node: ast.Assert) -> None:
        """For the reader and mypy; of what cannot be."""

    def visit_Return(self, node: ast.Return) -> None:
        value = node.value
        function = self._functions[-1] if self._functions else None
        if value is not None and function is not None:
            answers = function.returns is not None and ast.unparse(function.returns) == "bool"
            if isinstance(value, ast.Constant) and isinstance(value.value, bool):
                self._replace("return", value, str(not value.value))
            elif answers:
                self._replace("return", value, f"not ({self._text(value)})")
        self.generic_visit(node)

    # ------------------------------------------------------------------ expressions

    def visit_IfExp(self, node: ast.IfExp) -> None:
        self._replace("condition", node.test, "True")
        self._replace("condition", node.test, "False")
        self.generic_visit(node)

    def visit_BoolOp(self, node: ast.BoolOp) -> None:
        neutral = "True" if isinstance(node.op, ast.And) else "False"
        for operand in node.values:
            # What "or" gives where nothing else is there is a value, not a condition.
            if not isinstance(operand, ast.Constant | ast.Dict | ast.List | ast.Tuple | ast.Set):
                self._replace("condition", operand, neutral)
        self.generic_visit(node)

    def visit_UnaryOp(self, node: ast.UnaryOp) -> None:
        if isinstance(node.op, ast.Not):
            start, _ = self._span(node)
            self._add("comparison", start, start + len("not "), "")
        self.generic_visit(node)

    def visit_comprehension(self, node: ast.comprehension) -> None:
        for test in node.ifs:
            self._replace("condition", test, "True")
        self.generic_visit(node)

    def visit_Compare(self, node: ast.Compare) -> None:
        left: ast.expr = node.left
        for operator, right in zip(node.ops, node.comparators, strict=True):
            start, end = self._span(left)[1], self._span(right)[0]
            for table, kind in ((_BOUNDARIES, "boundary"), (_OPPOSITES, "comparison")):
                if type(operator) in table and not (kind == "boundary" and _MOMENT.search(self._text(node))):
                    old, new = table[type(operator)]
                    between = self._source[start:end].decode()
                    found = re.search(r"\s+".join(old.split()), between)
                    if found:
                        at = start + len(between[: found.start()].encode())
                        self._add(kind, at, at + len(found[0].encode()), new)
            left = right
        self.generic_visit(node)

    def visit_Name(self, node: ast.Name) -> None:
        if isinstance(node.ctx, ast.Load) and self._functions:
            for other in _like(node.id, self._functions[-1]):
                self._replace("variable", node, other)

    def visit_Call(self, node: ast.Call) -> None:
        if isinstance(node.func, ast.Attribute) and node.func.attr == "with_for_update":
            self._replace("lock", node, self._text(node.func.value))
        self.generic_visit(node)

    def visit_Constant(self, node: ast.Constant) -> None:
        if isinstance(node.value, str):
            self._sql(node)

    def visit_JoinedStr(self, node: ast.JoinedStr) -> None:
        self._sql(node)

    def _sql(self, node: ast.expr) -> None:
        start, end = self._span(node)
        for edit in sql_edits(self._source[start:end].decode()):
            before = len(self._source[start:end].decode()[: edit.start].encode())
            after = len(self._source[start:end].decode()[: edit.end].encode())
            self._add(edit.kind, start + before, start + after, edit.new)


def _is_docstring(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def _is_only_types(node: ast.stmt) -> bool:
    return isinstance(node, ast.If) and ast.unparse(node.test) in ("TYPE_CHECKING", "__name__ == '__main__'")


def _names(node: ast.AST, context: type[ast.expr_context]) -> set[str]:
    return {each.id for each in ast.walk(node) if isinstance(each, ast.Name) and isinstance(each.ctx, context)}


def _may_change_places(first: ast.stmt, second: ast.stmt) -> bool:
    """Two steps of which neither needs a name that the other makes; one of them is there for its effect alone."""
    for step in (first, second):
        calls = any(isinstance(each, ast.Call) for each in ast.walk(step))
        if not isinstance(step, ast.Expr | ast.Assign) or not calls:
            return False
        if isinstance(step, ast.Expr) and _TOLD_ASIDE.search(ast.unparse(step)):
            return False
    if not (isinstance(first, ast.Expr) or isinstance(second, ast.Expr)):
        return False
    # What is noted or notified takes effect at the commit, whenever it was said; two collections have no order.
    if any(_AT_COMMIT.search(ast.unparse(step)) for step in (first, second)):
        return False
    if all(_COLLECTS.search(ast.unparse(step)) for step in (first, second)):
        return False
    made = _names(first, ast.Store), _names(second, ast.Store)
    used = _names(first, ast.Load), _names(second, ast.Load)
    return not (made[0] & (used[1] | made[1]) or made[1] & used[0])


def _like(name: str, function: ast.FunctionDef | ast.AsyncFunctionDef) -> Iterator[str]:
    """Other parameters that are annotated as this one is."""
    arguments = [*function.args.posonlyargs, *function.args.args, *function.args.kwonlyargs]
    types = {each.arg: ast.unparse(each.annotation) for each in arguments if each.annotation is not None}
    if name in types:
        yield from (other for other, kind in types.items() if other != name and kind == types[name])
