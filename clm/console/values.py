"""The types of options and arguments: ids that may be names, files, JSON, lists with commas."""

from __future__ import annotations

import json
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import click
from click.shell_completion import CompletionItem

from clm.console.context import Console, is_interactive
from clm.console.problems import Problem

UUID: Final = re.compile(r"[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}\Z")
NUMBER: Final = re.compile(r"[0-9]{1,19}\Z")
PREFIXES: Final = ("name:", "id:")  # say what a word is, where it might be either
OBJECT: Final = "object"  # an id whose kind another parameter says
FILE_MAX: Final = 16 * 1024 * 1024  # bytes; what is read goes into one call


class NamedType(click.ParamType):
    """A name, an id or a uuid of something that has a list: completed out of it. It stays the text that it is."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self.name = kind

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        from clm.console.completion import names

        console = ctx.find_object(Console)
        found = names(console, self.kind) if console is not None else []
        spelled = {name: name if self.kind == "profile" else spell(name) for name in found}
        return [
            CompletionItem(word)
            for name, word in spelled.items()
            if name.startswith(incomplete) or word.startswith(incomplete)
        ]


def spell(name: str) -> str:
    """A name as a word that means it: with ``name:`` where it would be taken for an id or an option."""
    clear = not name.startswith(("-", *PREFIXES)) and not NUMBER.match(name) and not UUID.match(name)
    return name if clear else f"name:{name}"


class IdType(NamedType):
    """An id: a number, a uuid, or a name where ids of the kind can be looked up by it."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if isinstance(value, int):
            return value
        from clm.console.names import KINDS

        text = str(value)
        if (self.kind in KINDS or self.kind == OBJECT) and text.strip():
            return text  # which may be a name of digits, too: the list tells
        text = text.strip().removeprefix("id:")
        if NUMBER.match(text):
            return int(text)
        if not UUID.match(text):
            self.fail(f"{value!r} is neither a number nor a uuid.", param, ctx)
        return text


class Whole(click.IntRange):
    """A whole number; what is none is told in words."""

    name = "number"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        try:
            return super().convert(value, param, ctx)
        except click.BadParameter:
            self.fail(f"{value!r} is no whole number{_between(self.min, self.max)}.", param, ctx)


class Real(click.FloatRange):
    """A number; what is none is told in words."""

    name = "number"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        try:
            return super().convert(value, param, ctx)
        except click.BadParameter:
            self.fail(f"{value!r} is no number{_between(self.min, self.max)}.", param, ctx)


def _between(least: float | None, most: float | None) -> str:
    if least is not None and most is not None:
        return f" from {least:g} to {most:.15g}"
    return f" of at least {least:g}" if least is not None else f" of at most {most:.15g}" if most is not None else ""


@dataclass(frozen=True)
class Json:
    """A value that was given as JSON: its ``null`` is not nothing."""

    value: Any


class JsonType(click.ParamType):
    """A value as JSON, or @FILE with it; one whose name ends in .yml or .yaml is YAML."""

    name = "json"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if isinstance(value, Json):
            return value
        if not value.startswith("@"):
            return Json(parse_json(str(value)))
        parse = parse_yaml if value.endswith((".yml", ".yaml")) else parse_json
        return Json(parse(read_file(value[1:])))


class CommasType(click.ParamType):
    """Several values with commas between them."""

    def __init__(self, inner: click.ParamType) -> None:
        self.inner = inner
        self.name = f"{inner.name},..."

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if isinstance(value, list):
            return value
        return [self.inner(part.strip(), param, ctx) for part in str(value).split(",") if part.strip()]

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        before, comma, last = incomplete.rpartition(",")
        found = self.inner.shell_complete(ctx, param, last)
        # What holds a comma itself cannot stand among commas.
        return [CompletionItem(before + comma + each.value) for each in found if "," not in each.value]


def parse_json(text: str) -> Any:
    """:raises Problem: it is none."""

    def refuse(name: str) -> Any:
        raise ValueError(f"{name} is no JSON")

    try:
        return json.loads(text, parse_constant=refuse)
    except (ValueError, RecursionError) as error:
        told = error.msg if isinstance(error, json.JSONDecodeError) else str(error) or "it is nested too deeply"
        raise Problem(f"This is no JSON: {told}.") from None


def parse_yaml(text: str) -> Any:
    """:raises Problem: it is none."""
    import yaml

    try:
        return yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise Problem(f"This is no YAML: {' '.join(str(error).split())}.") from None


def read_file(name: str) -> str:
    """
    A text file that the user names; "-" is standard input.

    :raises Problem: it cannot be read, or is no text.
    """
    try:
        return read_bytes(name).decode("utf-8")
    except UnicodeDecodeError:
        raise Problem(f"{name} is no text in UTF-8.") from None


def read_bytes(name: str) -> bytes:
    """Likewise a file of any kind. :raises Problem: it cannot be read."""
    try:
        if name == "-":
            data = sys.stdin.buffer.read(FILE_MAX + 1)
        else:
            with open(Path(name).expanduser(), "rb") as file:
                data = file.read(FILE_MAX + 1)
        if len(data) > FILE_MAX:
            raise Problem(f"{name} has more than {FILE_MAX // 2**20} MiB.")
        return data
    except (OSError, ValueError) as error:
        told = error.strerror if isinstance(error, OSError) else str(error)
        raise Problem(f"{name} cannot be read: {told}.") from None
    except RuntimeError:  # ~somebody
        raise Problem(f"{name} cannot be read: there is no such home directory.") from None


def read_user_data(name: str) -> str:
    """
    What a guest's cloud-init is to read: a text as it stands; gzip, which is no text, as base64, which servers undo.

    :raises Problem: it is neither.
    """
    data = read_bytes(name)
    if data.startswith(b"\x1f\x8b"):
        import base64

        return base64.b64encode(data).decode()
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        text = "\0"
    if "\0" in text:
        raise Problem(f"{name} is neither text in UTF-8 nor gzip, which is what cloud-init reads.")
    return text


def ask(what: str, option: str) -> str:
    """
    What the user types, if there is somebody.

    :raises Problem: there is nobody; names the option that says it.
    """
    if not is_interactive():
        raise Problem(f"{what} is needed, and nobody is there to ask; give it by {option}.")
    return str(click.prompt(what, err=True))


def read_secret(file: str | None, what: str, again: bool = False) -> str:
    """
    A password: from a file's first line, or typed without showing.

    :param again: have it typed twice.
    :raises Problem: there is neither a file nor somebody to ask.
    """
    if file is None:
        if not is_interactive():
            option = what.lower().replace(" ", "-")
            raise Problem(f"{what} is needed, and nobody is there to ask; give it by --{option}-file FILE (or -).")
        return str(click.prompt(what, hide_input=True, confirmation_prompt=again, err=True))
    if file == "-":
        line = sys.stdin.buffer.readline(65_536)  # the rest may be for another question
        try:
            text = line.decode("utf-8")
        except UnicodeDecodeError:
            raise Problem(f"{what}: this is no text in UTF-8.") from None
    else:
        text = read_file(file)
    secret = text.split("\n", 1)[0].rstrip("\r")
    if not secret:
        raise Problem(f"{what}: {'standard input' if file == '-' else file} begins with an empty line.")
    return secret
