"""Iteration sets against Python's sets, and the sets of parameters that indices choose against counting."""

from __future__ import annotations

import tracemalloc

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from itc.analysis.reach import distinct
from itc.analysis.reach import numbers as numbers_read
from itc.ir import Index, IterationSet

numbers = st.sets(st.integers(1, 40))
some = st.sets(st.integers(1, 40), min_size=1)
arithmetic = st.builds(
    lambda a, n, s: set(range(a, a + n * s, s)), st.integers(1, 9), st.integers(1, 9), st.integers(1, 4)
)
members = numbers | arithmetic


@given(members)
def test_a_set_holds_its_numbers(chosen: set[int]) -> None:
    found = IterationSet.of(chosen)
    assert list(found) == sorted(chosen)
    assert len(found) == len(chosen)
    assert found.last == max(chosen, default=0)
    assert all((t in found) == (t in chosen) for t in range(45))


@given(members, members)
def test_algebra_is_that_of_sets(left: set[int], right: set[int]) -> None:
    a, b = IterationSet.of(left), IterationSet.of(right)
    assert a.union(b) == IterationSet.of(left | right)
    assert a.intersection(b) == IterationSet.of(left & right)
    assert a.difference(b) == IterationSet.of(left - right)
    assert a.intersects(b) == bool(left & right)


@given(members, st.integers(0, 45), st.integers(0, 45))
def test_clip_keeps_what_lies_between(chosen: set[int], first: int, last: int) -> None:
    assert IterationSet.of(chosen).clip(first, last) == IterationSet.of(t for t in chosen if first <= t <= last)


@given(some, st.integers(0, 45))
def test_ranks_and_counts(chosen: set[int], until: int) -> None:
    found = IterationSet.of(chosen)
    assert [found.rank(t) for t in sorted(chosen)] == list(range(len(chosen)))
    assert found.count_until(until) == sum(t <= until for t in chosen)


@given(members)
def test_spans_are_sets(chosen: set[int]) -> None:
    last = max(chosen, default=0)
    assert IterationSet.span(1, last) == IterationSet.of(range(1, last + 1))


@given(some, st.integers(1, 5))
def test_an_index_numbers_the_groups_that_are_reached(over: set[int], every: int) -> None:
    index = Index("t", IterationSet.of(over), every)
    groups = sorted({(t - 1) // every for t in over})
    assert index.count == len(groups)
    assert {t: index.at(t) for t in over} == {t: groups.index((t - 1) // every) for t in over}


@given(some, st.integers(1, 5), st.data())
def test_distinct_counts_the_sets_that_some_iterations_read(over: set[int], every: int, data: st.DataObject) -> None:
    index = Index("t", IterationSet.of(over), every)
    reached = data.draw(st.sets(st.sampled_from(sorted(over)), min_size=1))
    assert distinct(index, {"t": IterationSet.of(reached)}) == len({index.at(t) for t in reached})


@given(members, st.integers(1, 4), st.integers(-9, 9))
def test_sets_of_iterations_that_stand_for_others(chosen: set[int], step: int, offset: int) -> None:
    found = IterationSet.of(chosen)
    assert found.image(step, offset) == IterationSet.of(t for n in chosen if (t := step * n + offset) > 0)
    preimage = IterationSet.of(t for t in range(1, 21) if step * t + offset in chosen)
    assert found.preimage(step, offset, 20) == preimage


@given(some, st.integers(1, 4), st.integers(1, 3), st.integers(0, 5))
def test_an_index_reads_for_another_iteration(over: set[int], every: int, step: int, offset: int) -> None:
    index, moved = Index("t", IterationSet.of(over), every), Index("u", IterationSet.of(over), every, step, offset)
    reach = IterationSet.of(over).preimage(step, offset, 40)
    read = [index.at(step * t + offset) for t in reach]
    assert [moved.at(t) for t in reach] == read
    assert distinct(moved, {"u": reach}) == len(set(read))
    if read:
        assert numbers_read(moved, {"u": reach}).tolist() == sorted(set(read))


@given(members, st.integers(1, 5))
def test_groups_are_counted_until_each_iteration(chosen: set[int], every: int) -> None:
    found = IterationSet.of(chosen).groups_until(every, np.arange(45))
    assert found.tolist() == [len({(t - 1) // every for t in chosen if t <= until}) for until in range(45)]


@given(some, st.integers(1, 7))
def test_groups_are_counted_without_going_through_them(chosen: set[int], every: int) -> None:
    found = IterationSet.of(chosen)
    groups = sorted({(t - 1) // every for t in chosen})
    assert found.groups(every) == len(groups)
    assert [found.group(t, every) for t in sorted(chosen)] == [groups.index((t - 1) // every) for t in sorted(chosen)]


def test_a_million_iterations_in_groups_take_no_memory() -> None:
    tracemalloc.start()
    indices = [Index("t", IterationSet.span(1, 10**6), 3) for _ in range(100)]
    assert {(index.count, index.at(10**6)) for index in indices} == {(333_334, 333_333)}
    assert tracemalloc.get_traced_memory()[1] < 1 << 20
    tracemalloc.stop()
