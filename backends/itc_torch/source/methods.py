"""Operations with many parameters as methods of the written class: `forward` names the layer, not each tensor."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from itc.ir import Apply, Index, Net, Op, Value
from itc_torch.expressions import Ref
from itc_torch.lowerings import lower_op
from itc_torch.names import METHODS, attribute_name
from itc_torch.source.expressions import code
from itc_torch.source.layout import lines
from itc_torch.source.parameters import attribute_text

LEAST = 3


@dataclass(frozen=True, slots=True)
class Layer:
    """What calls of one method have in common: the operation, its values' axes, and the last segments of its keys."""

    op: Op
    axes: tuple[int, ...]
    names: tuple[str, ...]


class Methods:
    """The methods that a class needs; `sets` tells whether some layer reads one set of many."""

    def __init__(self, net: Net) -> None:
        self.net = net
        self.taken = {param.key.split(".")[0] for param in net.params} | METHODS
        self.names: dict[Layer, tuple[str, Apply]] = {}
        self.sets = False

    def name(self, apply: Apply) -> str:
        """The method for an operation, or nothing if it is better written out."""
        keys = [ref.key.rpartition(".") for ref in apply.refs]
        one_layer = len({(path, ref.index) for (path, *_), ref in zip(keys, apply.refs, strict=True)}) == 1
        if len(keys) < LEAST or not one_layer or not keys[0][0]:
            return ""
        axes = tuple(len(value.tensor.shape) for value in apply.values)
        layer = Layer(apply.op, axes, tuple(last for *_, last in keys))
        self.sets = self.sets or bool(apply.refs[0].index)
        return self.names.setdefault(layer, (self.fresh(apply.op.name), apply))[0]

    def own(self, hint: str) -> str:
        """A name that nothing else of the class gets."""
        name = self.fresh(hint)
        self.taken.add(name)
        return name

    def fresh(self, hint: str) -> str:
        """A name for a method."""
        return attribute_name(hint, {*self.taken, *(name for name, _ in self.names.values())})

    def text(self) -> Iterator[str]:
        """The lines of all methods."""
        for name, apply in self.names.values():
            yield from ("", *self._method(name, apply))

    def _method(self, name: str, apply: Apply) -> Iterator[str]:
        values = [f"x{number or ''}" for number in range(len(apply.values))]
        arguments = ["self", *(f"{value}: Tensor" for value in values), "group: Group", *["*sets: int"] * self.sets]
        yield from lines(f"def {name}({', '.join(arguments)}) -> Tensor:", 1)
        also = "; `sets` choose one set of each" * self.sets
        yield from lines(f'"""With the parameters of `group`{also}."""', 2)
        yield from lines(code(lower_op(apply.op, tuple(self._operands(apply, values)))), 2, "return ")

    def _operands(self, apply: Apply, values: list[str]) -> Iterator[Ref]:
        names = iter(values)
        for operand in apply.operands:
            if isinstance(operand, Value):
                yield Ref(next(names), operand.tensor)
            else:
                part = attribute_text("group", operand.key.rpartition(".")[2])
                yield Ref(f"{part}{'[sets]' * self.sets}", self.net.ref_type(operand))


def sets_of(apply: Apply) -> tuple[Index | int, ...]:
    """The index that all parameters of an operation share."""
    return apply.refs[0].index
