"""Random inputs are of the types of a net, and index its tables."""

import numpy as np

from itc.analysis.samples import random_inputs
from itc.ir import parse_net

NET = parse_net(
    """net @words(%x: f32[2], %ids: i64[500], %small: i8[500], %flags: bool[500]) {
      param @a.weight: f32[9, 2] {role = weight, init = kaiming}
      param @b.weight: f32[300, 2] {role = weight, init = kaiming}
      %0 = embed(%ids, @a.weight): f32[500, 2]
      %1 = embed(%ids, @b.weight): f32[500, 2]
      %2 = add(%0, %1): f32[500, 2]
      return %2 {name = y}
    }"""
)


def test_whole_numbers_are_rows_of_every_table() -> None:
    found = random_inputs(NET)
    types = {name: array.dtype.name for name, array in found.items()}
    assert types == {"x": "float32", "ids": "int64", "small": "int8", "flags": "bool"}
    assert set(found["ids"].ravel()) == set(found["small"].ravel()) == set(range(9))
    assert set(found["flags"].ravel()) == {False, True}


def test_they_depend_on_the_seed_alone() -> None:
    first, again, other = random_inputs(NET), random_inputs(NET), random_inputs(NET, seed=1)
    assert all(np.array_equal(first[name], again[name]) for name in first)
    assert not np.array_equal(first["ids"], other["ids"])
