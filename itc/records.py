"""`dataclass` of the standard library at a fifth of its time: one function is compiled for a class, not six.

`itc` declares some 200 dataclasses, and each start imports most of them. A class has the same fields and methods as
with `dataclasses.dataclass`, and `fields`, `replace` and `asdict` work on it. Rare options go to the standard library.
"""

from __future__ import annotations

import dataclasses
import inspect
from abc import update_abstractmethods
from collections.abc import Callable
from dataclasses import MISSING, Field, FrozenInstanceError, fields
from operator import attrgetter
from reprlib import recursive_repr
from typing import TYPE_CHECKING, Any, NoReturn

__all__ = ["dataclass"]

Fields = tuple[Field[Any], ...]

if TYPE_CHECKING:
    from dataclasses import dataclass
else:

    def dataclass(cls=None, /, *, frozen=False, slots=False, eq=True, **options):
        """The class as a dataclass, or the decorator that makes it one."""
        if options:
            return dataclasses.dataclass(cls, frozen=frozen, slots=slots, eq=eq, **options)
        if cls is None:
            return lambda cls: _dataclass(cls, frozen, slots, eq)
        return _dataclass(cls, frozen, slots, eq)


#: By these the standard library knows whether a class may be derived from another.
_PARAMS = {
    (frozen, eq): vars(dataclasses.dataclass(frozen=frozen, eq=eq)(type("Model", (), {})))["__dataclass_params__"]
    for frozen in (False, True)
    for eq in (False, True)
}


def _dataclass(cls: Any, frozen: bool, slots: bool, eq: bool) -> Any:
    own = _own_fields(cls)
    cls.__dataclass_fields__ = _inherited(cls, frozen) | own
    cls.__dataclass_params__ = _PARAMS[frozen, eq]
    _set_defaults(cls, own)
    known = fields(cls)
    methods = {"__init__": _init(cls, known, frozen, slots), "__repr__": _repr(known)}
    methods |= _comparison(known, frozen) if eq else {}
    methods |= {"__setattr__": _refuse_to_assign, "__delattr__": _refuse_to_delete} if frozen else {}
    for name, method in methods.items():
        if cls.__dict__.get(name) is None:  # a class that has `__eq__` has the hash None
            setattr(cls, name, method)
    if "__match_args__" not in cls.__dict__:
        setattr(cls, "__match_args__", tuple(field.name for field in known if field.init))  # noqa: B010 -- mypy forbids the other
    cls = _slotted(cls, known, frozen) if slots else cls
    update_abstractmethods(cls)
    return cls


def _own_fields(cls: Any) -> dict[str, Field[Any]]:
    """The fields that a class declares itself, as the standard library reads them."""
    annotations = inspect.get_annotations(cls)
    body = {name: cls.__dict__[name] for name in annotations if name in cls.__dict__}
    model = type(
        cls.__name__, (), body | {"__annotations__": annotations, "__module__": cls.__module__, "__doc__": "-"}
    )
    declared: Any = dataclasses.dataclass(init=False, repr=False, eq=False, match_args=False)(model)
    found: dict[str, Field[Any]] = declared.__dataclass_fields__
    return found


def _inherited(cls: Any, frozen: bool) -> dict[str, Field[Any]]:
    """The fields of the bases. Raises TypeError where a base is frozen and the class is not, or the reverse."""
    inherited: dict[str, Field[Any]] = {}
    for base in reversed(cls.__mro__[1:]):
        if "__dataclass_fields__" in base.__dict__:
            if base.__dataclass_params__.frozen != frozen:
                raise TypeError(f"{cls.__name__} and {base.__name__} are not alike frozen")
            inherited |= base.__dataclass_fields__
    return inherited


def _set_defaults(cls: Any, own: dict[str, Field[Any]]) -> None:
    """Class attributes are the defaults themselves, not what `field` gives."""
    for name, field in own.items():
        if isinstance(cls.__dict__.get(name), Field):
            delattr(cls, name)
            if field.default is not MISSING:
                setattr(cls, name, field.default)


def _init(cls: Any, known: Fields, frozen: bool, slots: bool) -> Any:
    """The one method that is compiled: its parameters are the fields."""
    scope: dict[str, Any] = {"_set": object.__setattr__, "_by_factory": _BY_FACTORY}
    parameters, lines = ["self"], []
    for i, field in enumerate(known):
        scope |= {f"_default{i}": field.default, f"_factory{i}": field.default_factory}
        if field.init:
            parameters.append(f"{field.name}{_default(field, i)}")
        value = _value(field, i, slots)
        if value:
            lines.append(f" _set(self, {field.name!r}, {value})" if frozen else f" self.{field.name} = {value}")
    if hasattr(cls, "__post_init__"):
        lines.append(" self.__post_init__()")
    exec("\n".join([f"def __init__({', '.join(parameters)}):", *(lines or [" pass"])]), scope)
    init = scope["__init__"]
    init.__qualname__ = f"{cls.__qualname__}.__init__"
    init.__annotations__ = {field.name: field.type for field in known if field.init} | {"return": None}
    return init


class _ByFactory:
    """Stands for an argument that was not given, for which the field has a factory."""

    def __repr__(self) -> str:
        return "<factory>"


_BY_FACTORY = _ByFactory()


def _default(field: Field[Any], i: int) -> str:
    """What follows the name of a parameter."""
    if field.default_factory is not MISSING:
        return "=_by_factory"
    return "" if field.default is MISSING else f"=_default{i}"


def _value(field: Field[Any], i: int, slots: bool) -> str:
    """The expression that a field is set to; nothing where the attribute of the class is its value."""
    if field.default_factory is not MISSING:
        return f"_factory{i}() if {field.name} is _by_factory else {field.name}" if field.init else f"_factory{i}()"
    if field.init:
        return field.name
    return f"_default{i}" if slots and field.default is not MISSING else ""


def _repr(known: Fields) -> Any:
    names = [field.name for field in known if field.repr]

    def __repr__(self: Any) -> str:  # noqa: N807
        return f"{type(self).__qualname__}({', '.join(f'{name}={getattr(self, name)!r}' for name in names)})"

    return recursive_repr()(__repr__)


def _comparison(known: Fields, frozen: bool) -> dict[str, Any]:
    """Equality by the tuples of values; what is frozen has their hash, other objects have none."""
    values = _values([field.name for field in known if field.compare])

    def __eq__(self: Any, other: Any) -> Any:  # noqa: N807
        return values(self) == values(other) if other.__class__ is self.__class__ else NotImplemented

    def __hash__(self: Any) -> int:  # noqa: N807
        return hash(values(self))

    return {"__eq__": __eq__, "__hash__": __hash__ if frozen else None}


def _values(names: list[str]) -> Callable[[Any], tuple[Any, ...]]:
    """A function that gives these attributes of an object as a tuple."""
    if len(names) > 1:
        return attrgetter(*names)
    return (lambda self: (getattr(self, names[0]),)) if names else (lambda _: ())


def _refuse_to_assign(_: Any, name: str, __: Any) -> NoReturn:
    raise FrozenInstanceError(f"cannot assign to field {name!r}")


def _refuse_to_delete(_: Any, name: str) -> NoReturn:
    raise FrozenInstanceError(f"cannot delete field {name!r}")


def _slotted(cls: Any, known: Fields, frozen: bool) -> Any:
    """The class anew with slots for its fields; slots cannot be added to one that exists."""
    inherited = {slot for base in cls.__mro__[1:] for slot in getattr(base, "__slots__", ())}
    names = [field.name for field in known]
    body = {name: value for name, value in cls.__dict__.items() if name not in (*names, "__dict__", "__weakref__")}
    body["__slots__"] = tuple(name for name in names if name not in inherited)
    if frozen:
        body = {"__getstate__": _state, "__setstate__": _restore} | body
    slotted = type(cls)(cls.__name__, cls.__bases__, body)
    slotted.__qualname__ = cls.__qualname__
    return slotted


def _state(self: Any) -> list[Any]:
    return [getattr(self, field.name) for field in fields(self)]


def _restore(self: Any, state: list[Any]) -> None:
    for field, value in zip(fields(self), state, strict=True):
        object.__setattr__(self, field.name, value)
