"""The dataclasses of itc behave as those of the standard library."""

from __future__ import annotations

import copy
import dataclasses
import pickle
from dataclasses import field, fields
from typing import Any, ClassVar

import pytest

from itc import records

KINDS = [
    {},
    {"frozen": True},
    {"slots": True},
    {"frozen": True, "slots": True},
    {"eq": False},
    {"frozen": True, "eq": False},
]


def classes(dataclass: Any, **options: bool) -> tuple[Any, Any]:
    @dataclass(**options)
    class Base:
        """A base."""

        x: int
        y: list[int] = field(default_factory=list)
        kind: ClassVar[str] = "base"

    @dataclass(**options)
    class Derived(Base):
        """With a default, one that is not compared, and one that is no parameter."""

        z: float = 1.5
        hidden: int = field(default=3, compare=False, repr=False)
        inner: int = field(default=7, init=False)

    return Base, Derived


def outcome(call: Any) -> Any:
    try:
        return call()
    except (TypeError, AttributeError) as error:
        return type(error).__mro__[0].__name__


@pytest.mark.parametrize("options", KINDS, ids=str)
def test_fields_values_and_faults_are_the_same(options: dict[str, bool]) -> None:
    def described(dataclass: Any) -> list[Any]:
        _, derived = classes(dataclass, **options)
        a, b, c = derived(1), derived(1, [], 1.5, 4), derived(2, [5], z=2.5)
        return [
            [(f.name, f.type, f.init, f.compare) for f in fields(derived)],
            [repr(each).split(".")[-1] for each in (a, b, c)],
            [a == b, a == c, a != c, a == 1],
            [outcome(lambda: hash(derived(1, ())) == hash(derived(1, (), hidden=9)))],
            [dataclasses.replace(c, x=9).x, dataclasses.asdict(c) if options.get("eq", True) else None],
            derived.__match_args__,
            [outcome(lambda: setattr(a, "x", 3)), outcome(lambda: delattr(c, "z")), outcome(derived)],
            [outcome(lambda: derived(1, 2, 3, 4, 5)), outcome(lambda: derived(1, w=2)), hasattr(a, "__dict__")],
            [copy.deepcopy(c).y, derived.kind, a.y is b.y, issubclass(derived, derived.__mro__[1])],
        ]

    assert described(records.dataclass) == described(dataclasses.dataclass)


@records.dataclass(frozen=True, slots=True)
class Kept:
    """At the top of a module, so that it can be pickled."""

    x: int
    y: tuple[int, ...] = ()


def test_slots_are_pickled() -> None:
    assert pickle.loads(pickle.dumps(Kept(1, (2,)))) == Kept(1, (2,))
    assert Kept.__slots__ == ("x", "y")


def test_a_class_of_the_standard_library_can_be_derived() -> None:
    @dataclasses.dataclass(frozen=True)
    class Outside(Kept):
        z: int = 0

    assert (Outside(1, z=2).z, [f.name for f in fields(Outside)]) == (2, ["x", "y", "z"])
    with pytest.raises(TypeError):
        records.dataclass(type("Thawed", (Kept,), {}))
    with pytest.raises(dataclasses.FrozenInstanceError):
        Outside(1).x = 2  # type: ignore[misc]
