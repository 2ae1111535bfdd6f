"""
Views: the functions that callers may call, and the registry that knows them by their names on the wire.

    @user_view(changing=True)
    def create(caller: Call, name: Name, image_id: Id, count: Count = 1) -> dict[str, Any]: ...

in ``cm/views/user/vm.py`` is ``user.vm.create``. The decorated function stays the plain function it was; its parameters
but the first are the wire's. A changing view also takes ``dry_run``, ``request_id`` and ``if_version`` by name, found
as ``caller.dry_run`` and so on.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import GenericAlias, ModuleType
from typing import Any, TypeVar, get_args, get_origin, overload

from cm.rpc.cases import FILE, Case, Cases, read_cases
from cm.rpc.codec import RawList, RawObject
from cm.rpc.errors import UnknownMethod
from cm.rpc.parameters import Binder, Parameter, Params, read_parameters
from cm.rpc.vocabulary import Role

Function = TypeVar("Function", bound=Callable[..., Any])

_MARK = "__wire_view__"
_METHOD_SHOWN = 100  # characters of an unknown method's name that an error repeats


@dataclass(frozen=True, slots=True)
class View:
    """
    One view. ``returns`` is the type of the function's result, ``Any`` without one; of a text, of what it says. A
    ``waiting`` one waits for something to happen, or for a guest to answer, and works on nothing meanwhile. ``on``
    says, by parameter, what it does with the object that the parameter names; None: what the work of that operation is.
    The service reads it off its caller (``Call.action``), whatever it stands for. A ``prompt`` one reads so little, by
    prepared statements alone, that it is done in the reactor's thread (``cm/runtime/prompt.py``).

    :ivar outside: a parameter, and the asynchronous function that is called in place of the view's own where it is
        given: what it names is no row of ours.
    :ivar errors: what it can answer with by what it does; its registry knows.
    :ivar common: and what any call of its role can, and any change.
    """

    name: str
    role: Role
    function: Callable[..., Any]
    parameters: tuple[Parameter, ...]
    changing: bool
    summary: str
    doc: str
    is_async: bool
    returns: Any = Any
    waiting: bool = False
    on: Mapping[str, Any] = field(default_factory=dict)
    prompt: bool = False
    outside: tuple[str, Callable[..., Any]] | None = None
    errors: tuple[Case, ...] = ()
    common: tuple[Case, ...] = ()
    _binder: Binder | None = field(default=None, repr=False, compare=False)

    def bind(self, params: Params) -> tuple[dict[str, Any], dict[str, Any]]:
        """
        Validate what a caller sent: the arguments by name (without the caller), and the controls that were sent.

        :raises InvalidParameter: names the parameter at fault and why.
        """
        assert self._binder is not None
        return self._binder.bind(params)


@dataclass(frozen=True, slots=True)
class _Declared:
    role: Role
    name: str | None
    changing: bool
    waiting: bool = False
    on: Mapping[str, Any] = field(default_factory=dict)
    prompt: bool = False
    outside: tuple[str, Callable[..., Any]] | None = None


class Registry:
    """
    Views by name.

    :ivar cases: the errors that its views can answer with.
    """

    def __init__(self, views: Iterable[View] = (), cases: Cases | None = None) -> None:
        self._views: dict[str, View] = {}
        self.cases = cases or Cases()
        for view in views:
            self.add(view)

    @classmethod
    def collect(cls, *packages: str) -> Registry:
        """
        Import these packages with all their modules, and take the views that are defined there.

        :raises TypeError: a function that cannot be a view, or two of one name.
        """
        registry = cls()
        for package in packages:
            home = importlib.import_module(package)
            for place in getattr(home, "__path__", ()):
                registry.cases |= read_cases(Path(place) / FILE)
            for module in _modules(home):
                registry.add_module(module)
        return registry

    def add_module(self, module: ModuleType) -> None:
        """The views defined in a module; those it imported from another are that one's."""
        for member in list(vars(module).values()):
            if hasattr(member, _MARK) and getattr(member, "__module__", None) == module.__name__:
                self.add(member)

    def add(self, view: View | Callable[..., Any]) -> View:
        """Add a view, or a decorated function as one."""
        made = view if isinstance(view, View) else view_of(view)
        if made.name in self._views:
            raise TypeError(f"two views are named {made.name}")
        errors = made.errors or tuple(self.cases.views.get(made.name, ()))
        made = replace(made, errors=errors, common=self.cases.common(made.role, made.changing))
        self._views[made.name] = made
        return made

    def get(self, name: str) -> View:
        """:raises UnknownMethod: there is none of this name."""
        view = self._views.get(name)
        if view is None:
            raise unknown(name)
        return view

    def find(self, name: str) -> View | None:
        return self._views.get(name)

    def names(self) -> list[str]:
        return sorted(self._views)

    def __iter__(self) -> Iterator[View]:
        return iter([self._views[name] for name in self.names()])

    def __len__(self) -> int:
        return len(self._views)

    def __contains__(self, name: object) -> bool:
        return name in self._views


def unknown(name: str) -> UnknownMethod:
    """The refusal of a name that came from outside: bounded and printable."""
    shown = "".join(c if c.isprintable() else "\ufffd" for c in name[:_METHOD_SHOWN])
    return UnknownMethod(shown + "..." if len(name) > _METHOD_SHOWN else shown)


def view_of(function: Callable[..., Any]) -> View:
    """The view that a decorated function is. Annotations are read now, when its module is complete."""
    declared: _Declared | None = getattr(function, _MARK, None)
    if declared is None:
        raise TypeError(f"{function.__module__}.{function.__qualname__} is not decorated as a view")
    parameters, annotated = read_parameters(function, declared.changing)
    if unknown_names := declared.on.keys() - {parameter.name for parameter in parameters}:
        raise TypeError(f"{function.__qualname__}: it has no parameter {', '.join(sorted(unknown_names))}")
    doc = inspect.getdoc(function) or ""
    return View(
        name=declared.name or _wire_name(function),
        role=declared.role,
        function=function,
        parameters=tuple(parameters),
        changing=declared.changing,
        summary=doc.split("\n\n", 1)[0].replace("\n", " ").strip(),
        doc=doc,
        is_async=inspect.iscoroutinefunction(function),
        returns=_result(annotated),
        waiting=declared.waiting,
        on=declared.on,
        prompt=declared.prompt,
        outside=declared.outside,
        _binder=Binder(parameters, declared.changing),
    )


@overload
def guest_view(function: Function, /) -> Function: ...
@overload
def guest_view(*, name: str | None = None, changing: bool = False) -> Callable[[Function], Function]: ...
def guest_view(function: Any = None, /, *, name: str | None = None, changing: bool = False) -> Any:
    """A view for anyone, credentials or not."""
    return _declare(Role.GUEST, function, name, changing)


@overload
def user_view(function: Function, /) -> Function: ...
@overload
def user_view(
    *,
    name: str | None = None,
    changing: bool = False,
    waiting: bool = False,
    on: Mapping[str, Any] | None = None,
    prompt: bool = False,
) -> Callable[[Function], Function]: ...
def user_view(
    function: Any = None,
    /,
    *,
    name: str | None = None,
    changing: bool = False,
    waiting: bool = False,
    on: Mapping[str, Any] | None = None,
    prompt: bool = False,
) -> Any:
    """A view for people with an account, about what is theirs or, as far as ``on`` says, shared with them."""
    return _declare(Role.USER, function, name, changing, waiting, on, prompt)


@overload
def admin_view(function: Function, /) -> Function: ...
@overload
def admin_view(
    *,
    name: str | None = None,
    changing: bool = False,
    waiting: bool = False,
    prompt: bool = False,
    outside: tuple[str, Callable[..., Any]] | None = None,
) -> Callable[[Function], Function]: ...
def admin_view(
    function: Any = None,
    /,
    *,
    name: str | None = None,
    changing: bool = False,
    waiting: bool = False,
    prompt: bool = False,
    outside: tuple[str, Callable[..., Any]] | None = None,
) -> Any:
    """A view for administrators."""
    return _declare(Role.ADMIN, function, name, changing, waiting, prompt=prompt, outside=outside)


@overload
def cloud_view(function: Function, /) -> Function: ...
@overload
def cloud_view(*, name: str | None = None, changing: bool = False) -> Callable[[Function], Function]: ...
def cloud_view(function: Any = None, /, *, name: str | None = None, changing: bool = False) -> Any:
    """A view for administrators of a whole cloud."""
    return _declare(Role.CLOUD, function, name, changing)


@overload
def node_view(function: Function, /) -> Function: ...
@overload
def node_view(*, name: str | None = None, changing: bool = False) -> Callable[[Function], Function]: ...
def node_view(function: Any = None, /, *, name: str | None = None, changing: bool = False) -> Any:
    """A view for nodes: their hooks and agents."""
    return _declare(Role.NODE, function, name, changing)


def _result(annotation: Any) -> Any:
    kind = get_origin(annotation)
    if kind is RawObject:
        return get_args(annotation)[0]
    return GenericAlias(list, get_args(annotation)) if kind is RawList else annotation


def _declare(
    role: Role,
    function: Any,
    name: str | None,
    changing: bool,
    waiting: bool = False,
    on: Mapping[str, Any] | None = None,
    prompt: bool = False,
    outside: tuple[str, Callable[..., Any]] | None = None,
) -> Any:
    def mark(decorated: Any) -> Any:
        setattr(decorated, _MARK, _Declared(role, name, changing, waiting, on or {}, prompt, outside))
        return decorated

    return mark if function is None else mark(function)


def _wire_name(function: Callable[..., Any]) -> str:
    """``cm.views.user.vm`` and ``create`` give ``user.vm.create``."""
    _, found, below = function.__module__.rpartition("views.")
    if not found:
        raise TypeError(f"{function.__module__}.{function.__qualname__}: outside of views/ a view needs a name")
    return f"{below}.{function.__name__}"


def _modules(module: ModuleType) -> Iterator[ModuleType]:
    yield module
    for info in pkgutil.iter_modules(getattr(module, "__path__", ())):
        yield from _modules(importlib.import_module(f"{module.__name__}.{info.name}"))
