"""The reference semantics in NumPy: simple and slow, the reference for all passes and backends.

A value is dropped behind its last use, so that a deep net takes no more memory than its widest part.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from itc.arguments import checked
from itc.halting import Halting
from itc.ir.net import Apply, Body, Emit, Index, Loop, Net, Operand, ParamRef, Statement, Value, When
from itc.ir.op import Array
from itc.ir.precision import evaluate
from itc.ir.uses import last_uses

Weights = Mapping[str, Array]
Series = list[Array]
Evaluated = Array | Series


def interpret(net: Net, inputs: Mapping[str, Array], weights: Weights) -> dict[str, Array]:
    """Runs `net` at inference.

    `inputs` has an array [batch, *shape] for each input (optional ones that are missing are zeros), `weights` one of
    `Param.shape` for each parameter. Returns an array [batch, *shape] for each label of the outputs. All operations are
    computed in the arrays' own precision, but those on f16 and i8 (see `itc.ir.precision`). Raises CompileError as
    `itc.arguments.checked` does.
    """
    return computed(net, *checked(net, inputs, weights))


def computed(net: Net, inputs: Mapping[str, Array], weights: Weights) -> dict[str, Array]:
    """The outputs, without input checks; inputs of other sizes are valid if all operations accept them."""
    run = _Interpreter(net, weights)
    run.values.update(inputs)
    run.statements(net.body)
    return run.outputs()


class _Interpreter:
    """The values by name that are still to be read, series under way, and the iteration of each enclosing loop."""

    def __init__(self, net: Net, weights: Weights) -> None:
        self.net = net
        self.weights = weights
        self.values: dict[str, Evaluated] = {}
        self.iteration: dict[str, int] = {}
        self.last_uses = last_uses(net)

    def outputs(self) -> dict[str, Array]:
        out: dict[str, Array] = {}
        for output in self.net.outputs:
            value = self.values[output.value.name]
            out |= zip(output.labels, value if isinstance(value, list) else [value], strict=True)
        return out

    def statements(self, statements: tuple[Statement, ...], series: Mapping[int, list[Series]] | None = None) -> None:
        """Runs statements; those directly in a loop collect into its `series`, by the identity of the emit."""
        for statement in statements:
            match statement:
                case Apply():
                    self.apply(statement)
                case Loop():
                    self.loop(statement)
                case When():
                    self.when(statement)
                case Emit():
                    self.emit(statement, (series or {})[id(statement)])
            self.drop(statement)

    def drop(self, ended: Statement | Body) -> None:
        """Drops the values that nothing reads behind a statement or a body."""
        for name in self.last_uses[id(ended)]:
            self.values.pop(name, None)

    def apply(self, apply: Apply) -> None:
        types = [value.tensor for value in apply.results]
        results = evaluate(apply.op, (self.operand(o) for o in apply.operands), types)
        for value, result in zip(apply.results, results, strict=True):
            self.values[value.name] = result

    def operand(self, operand: Operand) -> Array:
        if isinstance(operand, ParamRef):
            return self.param(operand)
        value = self.values[operand.name]
        assert isinstance(value, np.ndarray), operand
        return value

    def param(self, ref: ParamRef) -> Array:
        array: Array = self.weights[ref.key][tuple(self.index(i) for i in ref.index)]
        return array

    def index(self, index: Index | int) -> int:
        return index if isinstance(index, int) else index.at(self.iteration[index.var])

    def body(
        self, body: Body, also: tuple[Value, ...] = (), series: Mapping[int, list[Series]] | None = None
    ) -> list[Evaluated]:
        """The values that a body yields, and `also` these of its own."""
        self.statements(body.statements, series)
        values = [self.values[value.name] for value in (*body.yields, *also)]
        self.drop(body)
        return values

    def loop(self, loop: Loop) -> None:
        carried = [self.values[carry.init.name] for carry in loop.carries]
        halting = Halting(loop.halt, loop.count) if loop.halt else None
        score = (loop.halt.score,) if loop.halt else ()
        series = {id(emit): [Series() for _ in values] for emit, values in loop.collected}
        for t in range(1, loop.count + 1):
            self.iteration[loop.var] = t
            self.values |= zip((c.inner.name for c in loop.carries), carried, strict=True)
            self.values |= {e.inner.name: self.values[e.series.name][t - 1] for e in loop.each}
            before, carried = carried if halting else [], []  # or else the body can drop them
            carried = self.frozen(halting, before, self.body(loop.body, score, series), t)
            if halting and not halting.running.any():
                break
        if halting:
            carried = [*halting.carries(_arrays(carried))]
            self.values |= zip((value.name for value in loop.halt_results), halting.results(), strict=True)
        self.values |= zip((value.name for value in loop.carry_results), carried, strict=True)
        for emit, values in loop.collected:
            self.values |= zip((value.name for value in values), series[id(emit)], strict=True)

    def frozen(
        self, halting: Halting | None, before: list[Evaluated], after: list[Evaluated], t: int
    ) -> list[Evaluated]:
        """The carries after iteration `t`; in a loop that halts, where `after` ends with the score, frozen ones."""
        if halting is None:
            return after
        *carries, score = _arrays(after)
        return [*halting.step(score, _arrays(before), carries, t)]

    def emit(self, emit: Emit, series: list[Series]) -> None:
        """Appends the yields of an emit to its series, in its iterations."""
        if self.iteration[emit.var] in emit.iterations:
            for collected, value in zip(series, self.body(emit.body), strict=True):
                assert isinstance(value, np.ndarray), emit
                collected.append(value)

    def when(self, when: When) -> None:
        chosen = when.body if self.iteration[when.var] in when.iterations else when.otherwise
        values = self.body(chosen)
        self.values |= {result.name: value for result, value in zip(when.results, values, strict=True)}


def _arrays(values: list[Evaluated]) -> list[Array]:
    """The arrays of values that are not series."""
    arrays = [value for value in values if isinstance(value, np.ndarray)]
    assert len(arrays) == len(values)
    return arrays
