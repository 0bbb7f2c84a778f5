"""Lines of Python in the making: indentation, assignments, and the variables and constants that they name."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from itc.ir import Net, Value
from itc_torch.names import argument_names, hides, identifier
from itc_torch.source.layout import Code, lines
from itc_torch.source.variables import Variables

CHAIN = "x"
Assignments = list[tuple[str, str]]


class Writer:
    """Collects the lines of a method.

    `arguments` are its parameters behind self, in the order of the net's inputs; `interface` are the names that a
    caller knows, of which some would hide what the lines read.

    `constants` are the tuples of iterations that the lines name, `wanted` has the variable in which a value ends up,
    `iteration` that of each loop, and `read` the loops whose variable some line reads.
    """

    def __init__(self, net: Net) -> None:
        self.net = net
        self.out: list[str] = []
        self.indent = 2
        self.variables = Variables()
        #: What `forward` calls the inputs, and what its lines do.
        self.interface = list(argument_names(value.name for value in net.inputs).values())
        self.arguments = [self.argument(*pair) for pair in zip(net.inputs, self.interface, strict=True)]
        self.chain = self.variables.fresh(CHAIN)
        self.constants: dict[tuple[int, ...], str] = {}
        self.wanted: dict[str, str] = {}
        self.iteration: dict[str, str] = {}
        self.read: set[str] = set()

    def write(self, value: Code, before: str = "", after: str = "") -> None:
        self.out += lines(value, self.indent, before, after)

    @contextmanager
    def block(self, deeper: bool = True) -> Iterator[list[str]]:
        """Lines written inside are held back, for the head that they turn out to need."""
        outside, self.out = self.out, []
        self.indent += deeper
        yield self.out
        self.indent -= deeper
        self.out = outside

    def assign(self, pairs: Assignments) -> None:
        """Assigns variables at the same time: one a line, in an order in which none is read after it was put over."""
        left = [(target, source) for target, source in pairs if target != source]
        while left:
            ready = next((pair for pair in left if all(pair[0] != other[1] for other in left if other != pair)), None)
            if ready is None:
                targets, sources = zip(*left, strict=True)
                self.write(f"{', '.join(targets)} = {', '.join(sources)}")
                return
            self.write(f"{ready[0]} = {ready[1]}")
            left.remove(ready)

    def argument(self, value: Value, name: str) -> str:
        """The variable of an input: its argument, unless that hides something."""
        free = not hides(name) and not self.variables.taken(name)
        return self.variables.bind(value.name, name) if free else self.define(value, identifier(value.name))

    def define(self, value: Value, hint: str) -> str:
        return self.variables.bind(value.name, self.variables.fresh(hint))

    def place(self, value: Value, hint: str, chained: bool = False) -> str:
        """A variable for a new value: the one that it goes to in the end, the chain's, or its own."""
        wanted = [self.wanted[value.name]] if value.name in self.wanted else []
        for variable in [*wanted, *([self.chain] if chained else [])]:
            if self.variables.free(variable):
                return self.variables.bind(value.name, variable)
        return self.define(value, hint)

    def constant(self, numbers: tuple[int, ...]) -> str:
        """The name of a long tuple of iterations."""
        kind = (
            "EXITS" if any(output.at and output.at.numbers == numbers for output in self.net.outputs) else "ITERATIONS"
        )
        same = sum(name.startswith(kind) for name in self.constants.values())
        return self.constants.setdefault(numbers, f"{kind}_{same + 1}" if same else kind)

    def loop_variable(self, var: str) -> str:
        self.read.add(var)
        return self.iteration[var]
