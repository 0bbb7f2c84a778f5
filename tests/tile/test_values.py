from hypothesis import given, settings
from hypothesis import strategies as st
from itc_tile.simulate import simulate

from tests.random_nets import cases, difference
from tests.tile.placements import programs


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_tiles_compute_what_the_interpreter_does(data):
    case = data.draw(cases())
    program = data.draw(programs(case.net))
    found = simulate(program, case.inputs, case.weights)
    assert list(found) == list(case.outputs)
    assert max(difference(found[label], case.outputs[label]) for label in found) < 1e-4
