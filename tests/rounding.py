"""How far two float32 computations of a net may differ: tolerances from the arithmetic, the same on every machine.

Adding n terms rounds each partial sum to 2^-24 of itself. Of terms with random signs these roundings come to some 2^-24
of the sum of magnitudes, of terms with one sign to sqrt(n) * 2^-24 of the result (Higham and Mary, "A new approach to
probabilistic rounding error analysis", 2019); any other operation rounds its result a few times. `rounded` runs a net
in float64 with errors of that size behind every operation, in every iteration: so they grow with the depth and pass
through the net as those of float32 do, in whichever order a library sums. Equal values get equal errors, so that ties
stay ties.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from itc.arguments import completed
from itc.interpreter import Weights, _Interpreter
from itc.ir import Apply, Net
from itc.ir.op import Array

#: Half the distance from 1 to the next float32.
UNIT = 2.0**-24
#: Of an operation that is no sum of products: a norm rounds five times, at random, a sum of two once, a maximum never.
ROUNDINGS = 2
#: Two results are off by one draw of errors each, and another draw may be twice as far off.
RESULTS = 4.0
#: Partial sums that a library keeps side by side at least: the lanes of the narrowest vectors. Each is so much shorter.
LANES = 4
#: A net that amplifies rounding to a larger share of its output says nothing: it is to have other weights.
MOST = 1e-3


def tolerances(
    net: Net, inputs: Mapping[str, Array], weights: Weights, expected: Mapping[str, Array]
) -> dict[str, float]:
    """For each label the most that another float32 computation may differ from `expected`, in absolute numbers.

    Raises AssertionError for a net that amplifies rounding too much to be compared.
    """
    found = rounded(net, inputs, weights)
    out = {label: tolerance(found[label], value) for label, value in expected.items()}
    # A remainder is 1 minus a sum, so it has the rounding of numbers near 1, however small it is.
    out |= {label: max(most, RESULTS * UNIT) for label, most in out.items() if label.endswith(".remainder")}
    for label, most in out.items():
        assert most <= MOST * np.abs(expected[label]).max(), (label, most)
    return out


def tolerance(found: Array, expected: Array) -> float:
    """From one draw of errors; a result is at least rounded itself, unless it counts."""
    if np.array_equal(found, expected):
        whole = bool((expected == np.rint(expected)).all())
        return 0.0 if whole else RESULTS * UNIT * float(np.abs(expected).max())
    off, largest = float(np.abs(found - expected).max()), float(np.abs(expected).max())
    return RESULTS * max(off, UNIT * largest)


def close(found: Mapping[str, Array], expected: Mapping[str, Array], allowed: Mapping[str, float]) -> None:
    """Asserts that outputs are as near to the expected ones as rounding lets them."""
    assert found.keys() == expected.keys()
    off = {label: float(np.abs(found[label] - value).max()) for label, value in expected.items()}
    assert all(value <= allowed[label] for label, value in off.items()), [(k, v, allowed[k]) for k, v in off.items()]


def rounded(net: Net, inputs: Mapping[str, Array], weights: Weights, seed: int = 0) -> dict[str, Array]:
    """The outputs in float64 with one draw of errors."""
    run = _Rounded(net, doubles(weights), seed)
    run.values.update(completed(net, doubles(inputs)))
    run.statements(net.body)
    return run.outputs()


def doubles(arrays: Mapping[str, Array]) -> dict[str, Array]:
    """The arrays, those of floats in float64."""
    return {key: array.astype(np.float64) if array.dtype.kind == "f" else array for key, array in arrays.items()}


class _Rounded(_Interpreter):
    """Interprets in float64; behind each operation an error of the size of float32's."""

    def __init__(self, net: Net, weights: Weights, seed: int) -> None:
        super().__init__(net, weights)
        self.seed = seed

    def apply(self, apply: Apply) -> None:
        super().apply(apply)
        self.seed += 1
        for result in apply.results:
            value = self.values[result.name]
            assert isinstance(value, np.ndarray)
            if value.dtype.kind == "f" and value.size:
                self.values[result.name] = value + UNIT * self.roundings(apply, value) * noise(value, self.seed)

    def roundings(self, apply: Apply, value: Array) -> Array:
        """The size of the error of each element, in units."""
        types = self.net.operand_types(apply)
        terms = apply.op.macs(*types) / apply.result.type.size if apply.op.macs(*types) else 0.0
        if not terms:
            inputs = max((type.size for type in types[:1]), default=0)
            return np.asarray((ROUNDINGS + np.sqrt(inputs / apply.result.type.size) / LANES) * np.abs(value))
        left, right = (typical(self.operand(operand)) for operand in apply.operands[:2])
        return np.asarray(terms * left * right / np.sqrt(LANES) + np.sqrt(terms) / LANES * np.abs(value))


def typical(array: Array) -> float:
    return float(np.sqrt(np.square(array).mean()))


def noise(value: Array, seed: int) -> Array:
    """A number from -1 to 1 for each element, the same for equal ones."""
    bits = np.ascontiguousarray(value, np.float64).view(np.uint64)
    with np.errstate(over="ignore"):
        mixed = (bits ^ (bits >> np.uint64(29))) * np.uint64(0x9E3779B97F4A7C15 + 2 * seed)
        mixed = (mixed ^ (mixed >> np.uint64(32))) * np.uint64(0xD6E8FEB86659FD93)
    return np.asarray((mixed >> np.uint64(11)).astype(np.float64) * 2.0**-52 - 1)
