"""
What a server can be asked, as commands are made from it: OpenRPC documents, cut down to what a command line needs.

Those of our own managers come along in ``data/``; a server that tells others at login has its own kept per profile.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, Final, Literal

import msgspec

from clm.console.places import cache_dir, write_private
from clm.console.problems import Problem, visible
from clm.rules.forward import reason_left_out

DATA: Final = Path(__file__).parent / "data"
KINDS: Final = ("cm", "clm")
ROLES: Final = ("user", "admin", "cloud", "guest")  # a node's and the wire's own methods are no commands
CONTROLS: Final = ("dry_run", "request_id", "if_version")
PARAMETER: Final = re.compile(r"[a-z][a-z0-9_]{0,63}\Z")
METHOD: Final = re.compile(r"[a-z]\w{0,63}(\.[a-z]\w{0,63}){1,3}\Z", re.ASCII)

Kind = Literal["integer", "number", "boolean", "string", "secret", "json"]


class Param(msgspec.Struct, frozen=True, omit_defaults=True):
    """
    :ivar many: a list of such.
    :ivar help: what its own description says, or the method's ``:param``.
    """

    name: str
    kind: Kind
    required: bool = False
    many: bool = False
    choices: list[str] = []
    default: Any = None
    minimum: int | float | None = None
    maximum: int | float | None = None
    help: str = ""


class Method(msgspec.Struct, frozen=True, omit_defaults=True):
    """
    :ivar cluster: a cloud passes it on to a cluster, and takes ``cluster`` beside its parameters.
    :ivar errors: the slugs that it can be refused with by what it does; any call's are not among them.
    """

    name: str
    role: str
    summary: str
    changing: bool = False
    doc: str = ""
    params: list[Param] = []
    cluster: bool = False
    errors: list[str] = []

    @property
    def noun(self) -> str:
        return self.name.split(".")[-2]

    @property
    def verb(self) -> str:
        return self.name.split(".")[-1].replace("_", "-")


_Methods = list[Method]


def cut(document: Any) -> list[Method]:
    """
    The methods of an OpenRPC document that are commands, by name.

    :raises ValueError: it is none.
    """
    if not isinstance(document, Mapping) or not isinstance(document.get("methods"), list):
        raise ValueError("it tells no methods")
    components = document.get("components")
    schemas = components.get("schemas") if isinstance(components, Mapping) else None
    known = schemas if isinstance(schemas, Mapping) else {}
    try:
        found = [_method(each, known) for each in document["methods"]]
    except (TypeError, AttributeError, KeyError, RecursionError) as error:
        raise ValueError(f"a method is not as it should be ({error})") from None
    return sorted((method for method in found if method is not None), key=lambda method: method.name)


def _method(told: Mapping[str, Any], schemas: Mapping[str, Any]) -> Method | None:
    name = str(told["name"])
    role = name.partition(".")[0]
    if role not in ROLES or not METHOD.match(name) or name.count(".") < 2:
        return None
    prose, meanings = read_doc(str(told.get("description") or ""))
    params = [
        param_of(each, schemas, meanings)
        for each in told.get("params", [])
        if each["name"] not in CONTROLS and PARAMETER.match(each["name"])
    ]
    summary = str(told.get("summary") or "")
    errors = [visible(str(each)) for each in told.get("x-errors") or ()]
    return Method(name, role, _plain(summary), bool(told.get("x-changing")), prose, params, errors=errors)


def param_of(told: Mapping[str, Any], schemas: Mapping[str, Any], meanings: Mapping[str, str]) -> Param:
    """A parameter out of its JSON Schema, as msgspec writes them."""
    schema, default = told["schema"], told["schema"].get("default")
    schema = _without_null(_resolved(schema, schemas), schemas)
    many = schema.get("type") == "array" and isinstance(schema.get("items"), Mapping)
    help_text = str(meanings.get(told["name"]) or schema.get("description") or "")
    if many:
        inner = _without_null(_resolved(schema["items"], schemas), schemas)
        if _kind(inner) == "json":
            many = False
        else:
            schema = inner
    kind: Kind = _kind(schema)
    choices = [visible(str(each)) for each in schema.get("enum", [])] if kind == "string" else []
    bounded = kind in ("integer", "number")
    return Param(
        name=told["name"],
        kind=kind,
        required=bool(told.get("required")),
        many=many,
        choices=choices,
        default=default if isinstance(default, (str, int, float, bool)) else None,
        minimum=_bound(schema.get("minimum")) if bounded else None,
        maximum=_bound(schema.get("maximum")) if bounded else None,
        help=_plain(help_text),
    )


def _resolved(schema: Mapping[str, Any], schemas: Mapping[str, Any]) -> Mapping[str, Any]:
    for _ in range(10):
        if "$ref" in schema:
            schema = schemas.get(str(schema["$ref"]).rpartition("/")[2], {})
        elif isinstance(schema.get("allOf"), list) and len(schema["allOf"]) == 1:
            schema = schema["allOf"][0]
        else:
            break
    return schema


def _without_null(schema: Mapping[str, Any], schemas: Mapping[str, Any]) -> Mapping[str, Any]:
    """What a value is when it is given at all."""
    if isinstance(schema.get("anyOf"), list):
        parts = [_resolved(part, schemas) for part in schema["anyOf"]]
        rest = [part for part in parts if part.get("type") != "null"]
        if len(rest) == 1:
            return rest[0]
        numbers = [part for part in rest if part.get("type") == "integer"]
        texts = [part for part in rest if part.get("type") == "string"]
        if len(rest) == 2 and numbers and texts:
            # An id or a uuid, the text that is typed decides; or an id or a name, and numbers are texts as well.
            return numbers[0] if texts[0].get("format") == "uuid" else texts[0]
        return {}
    if isinstance(schema.get("type"), list):
        rest_types = [each for each in schema["type"] if each != "null"]
        return {**schema, "type": rest_types[0] if len(rest_types) == 1 else None}
    return schema


def _kind(schema: Mapping[str, Any]) -> Kind:
    told = schema.get("type")
    if told == "string" and schema.get("writeOnly"):
        return "secret"
    if told in ("integer", "number", "boolean", "string"):
        return told
    values = schema.get("enum")
    if isinstance(values, list) and values and all(isinstance(each, str) for each in values):
        return "string"
    return "json"


def _bound(value: Any) -> int | float | None:
    # Beyond 32 bits a bound is the database's, and tells a reader nothing.
    usable = isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) < 2**32
    return value if usable else None


def read_doc(doc: str) -> tuple[str, dict[str, str]]:
    """A docstring as prose, and what it says of each parameter."""
    prose: list[str] = []
    meanings: dict[str, list[str]] = {}
    current = prose
    for line in doc.splitlines():
        if found := re.match(r"\s*:param (\w+):\s*(.*)", line):
            current = meanings.setdefault(found[1], [])
            current.append(found[2])
        elif found := re.match(r"\s*:return:\s*(.*)", line):
            current = prose
            prose += ["", f"Answers {found[1]}"]
        elif re.match(r"\s*:raises? ", line):
            current = []
        else:
            current.append(line.strip() if current is not prose else line)
            if not line.strip():
                current = prose
    text = "\n".join(line.strip() for line in prose)
    return _plain(re.sub(r"\n{3,}", "\n\n", text).strip()), {k: " ".join(v).strip() for k, v in meanings.items()}


def _plain(text: str) -> str:
    return visible(text.replace("``", "`"))


def encode(methods: list[Method]) -> bytes:
    """The file's text: a line for each method, so that changes show."""
    return b"[\n" + b",\n".join(msgspec.json.encode(method) for method in methods) + b"\n]\n"


def decode(data: bytes) -> list[Method]:
    """:raises ValueError: it is not such a file."""
    try:
        return msgspec.json.decode(data, type=_Methods)
    except (msgspec.MsgspecError, RecursionError) as error:
        raise ValueError(str(error)) from None


@lru_cache(maxsize=4)
def packaged(kind: str) -> tuple[Method, ...]:
    """The methods of our own managers; none where that one has no description yet."""
    try:
        return tuple(decode((DATA / f"{kind}.json").read_bytes()))
    except FileNotFoundError:
        return ()


def kept_file(url: str) -> Path:
    return cache_dir() / f"{hashlib.sha256(url.encode()).hexdigest()[:16]}.methods.json"


def keep(url: str, kind: str, document: Any) -> bool:
    """
    Keep what a server tells of itself, if it is not what we know already.

    :return: whether it differs.
    :raises ValueError: it makes no sense.
    """
    methods, path = cut(document), kept_file(url)
    if {method.name: _called(method) for method in methods} == {n: _called(m) for n, m in methods_of(kind).items()}:
        path.unlink(missing_ok=True)
        return False
    try:
        write_private(path, encode(methods).decode())
    except Problem:
        return False  # a cache that cannot be written is none
    return True


def kept(url: str) -> tuple[Method, ...] | None:
    """What a server told of itself at login, where that differs from what we know."""
    try:
        return tuple(decode(kept_file(url).read_bytes()))
    except (OSError, ValueError):
        return None


def methods_of(kind: str, url: str = "") -> dict[str, Method]:
    """
    The methods of a server, by name; with no kind those of all.

    A cloud passes on what its clusters can, with ``cluster`` beside the parameters. Once it told what it can itself,
    that is all there is.
    """
    told = kept(url) if url else None
    if told is not None:
        return {method.name: _taking_cluster(method) for method in told}
    if kind == "cm":
        return {method.name: method for method in packaged("cm")}
    own = {method.name: _taking_cluster(method) for method in packaged("clm")}
    passed = {
        method.name: msgspec.structs.replace(method, cluster=True)
        for method in packaged("cm")
        if method.role in ("user", "admin") and reason_left_out(method.name) is None
    }
    rest = {} if kind else {method.name: method for method in packaged("cm")}
    return {**rest, **passed, **own}


def _called(method: Method) -> Method:
    """How a method is called: a cloud has errors of its own beside those of the cluster that it passes a call on to."""
    return msgspec.structs.replace(_taking_cluster(method), errors=[])


def _taking_cluster(method: Method) -> Method:
    """A method whose description has the parameter that all passed on ones take: an option like theirs."""
    mine = [param for param in method.params if param.name != "cluster" or param.required]
    if len(mine) == len(method.params):
        return method
    return msgspec.structs.replace(method, params=mine, cluster=True)
