"""How far predictions are from expected figures, and how far a regression without knowledge of the machine is."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

import numpy as np
from numpy.typing import NDArray

from itc_tile.layers.cost import Volumes
from itc_tile.layers.vertices import OPERAND_BYTES
from itc_tile.validate.rows import LayerRow

Reals = NDArray[np.float64]
#: Rounds of reweighting, and the relative error below which a row weighs no more.
ROUNDS, SMALL = 10, 0.02


@dataclass(frozen=True)
class Errors:
    """Absolute relative errors: the median, the 90th percentile and the largest."""

    median: float
    p90: float
    largest: float


def errors(predicted: Reals, expected: Reals) -> Errors:
    """The errors of predictions."""
    off = np.abs(predicted / expected - 1)
    return Errors(float(np.median(off)), float(np.quantile(off, 0.9)), float(off.max()))


def rank_correlation(a: Reals, b: Reals) -> float | None:
    """Spearman's coefficient; none for fewer than two ranks."""
    first, second = _ranks(a), _ranks(b)
    if np.ptp(first) == 0 or np.ptp(second) == 0:
        return None
    return float(np.corrcoef(first, second)[0, 1])


def _ranks(values: Reals) -> Reals:
    """Ranks; equal values have their mean."""
    _, where, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    return np.asarray((last - (counts - 1) / 2)[where])


def regression_errors(rows: tuple[LayerRow, ...], tiles: int) -> Errors | None:
    """Leave-one-out errors of a linear regression on seven terms; none for too few rows."""
    terms = np.array([_terms(row, tiles) for row in rows])
    expected = np.array([row.expected.cycles for row in rows], float)
    if len(rows) <= terms.shape[1] + 1:
        return None
    return errors(_left_out(terms / expected[:, None]) * expected, expected)


def _terms(row: LayerRow, tiles: int) -> list[float]:
    """Multiply-accumulates, bytes of inputs, results and weights of a tile; kernel positions, channels, a constant."""
    first = row.layers[0]
    sizes = (first.input_elements, first.result_elements, first.weight_elements)
    return [row.macs / tiles, *(size * OPERAND_BYTES / tiles for size in sizes), prod(first.kernel), first.inputs, 1.0]


def _left_out(terms: Reals) -> Reals:
    """For each row the ratio of prediction and expectation, by the least squares of relative errors of all others."""
    each = np.arange(len(terms))
    ones = np.ones(len(terms) - 1)
    fits = [np.linalg.lstsq(terms[each != row], ones, rcond=None)[0] for row in each]
    return np.array([terms[row] @ fit for row, fit in zip(each, fits, strict=True)])


def refitted_errors(known: Reals, volumes: list[Volumes], expected: Reals) -> Errors | None:
    """Leave-one-out errors with the fitted constants of the machine fitted anew to all other rows.

    `known` are the cycles that no constant changes. None for fewer than two rows a constant.
    """
    terms = np.array([[v.exchange, v.rearranged, v.regrouped, v.parts] for v in volumes])
    if len(terms) < 2 * terms.shape[1]:
        return None
    each = np.arange(len(terms))
    fits = [fit(known[each != row], terms[each != row], expected[each != row]) for row in each]
    return errors(known + np.array([term @ one for term, one in zip(terms, fits, strict=True)]), expected)


def fit(known: Reals, terms: Reals, expected: Reals) -> Reals:
    """Constants of the least absolute relative error, by least squares that are reweighted; none is negative."""
    matrix, rest = terms / expected[:, None], 1 - known / expected
    weights = np.ones(len(rest))
    constants = np.zeros(terms.shape[1])
    for _ in range(ROUNDS):
        constants = _least_squares(matrix * weights[:, None], rest * weights)
        weights = 1 / np.sqrt(np.maximum(np.abs(matrix @ constants - rest), SMALL))
    return constants


def _least_squares(matrix: Reals, target: Reals) -> Reals:
    """Least squares without negative constants: the most negative one becomes zero, until none is."""
    active = np.arange(matrix.shape[1])
    while True:
        constants = np.zeros(matrix.shape[1])
        constants[active] = np.linalg.lstsq(matrix[:, active], target, rcond=None)[0]
        if constants.min() >= 0:
            return constants
        active = active[active != np.argmin(constants)]
