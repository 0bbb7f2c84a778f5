"""Cycles in graphs: strongly connected components, and detection of cycles with a non-negative total gain."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

#: Maximum nodes of a component with exact gains; a larger one is assumed to have a cycle of non-negative gain.
MAX_CIRCLE = 60


def without_loss(group: Sequence[int], gains: Mapping[tuple[int, int], int]) -> bool:
    """Whether there is a cycle with a non-negative total gain (Bellman and Ford)."""
    if len(group) > MAX_CIRCLE:
        return True
    best = dict.fromkeys(group, 0)
    for _ in range(len(group) + 1):
        changed = False
        for (i, j), gain in gains.items():
            if best[i] + gain * (len(group) + 1) + 1 > best[j]:
                best[j] = best[i] + gain * (len(group) + 1) + 1
                changed = True
        if not changed:
            return False
    return True


def components(edges: Sequence[Iterable[int]]) -> list[list[int]]:
    """The strongly connected components of a graph (Tarjan 1972), without recursion."""
    order: dict[int, int] = {}
    low: dict[int, int] = {}
    stack: list[int] = []
    on: set[int] = set()
    out: list[list[int]] = []
    for start in range(len(edges)):
        if start in order:
            continue
        work = [(start, iter(edges[start]))]
        order[start] = low[start] = len(order)
        stack.append(start)
        on.add(start)
        while work:
            node, after = work[-1]
            for following in after:
                if following not in order:
                    order[following] = low[following] = len(order)
                    stack.append(following)
                    on.add(following)
                    work.append((following, iter(edges[following])))
                    break
                if following in on:
                    low[node] = min(low[node], order[following])
            else:
                work.pop()
                if work:
                    low[work[-1][0]] = min(low[work[-1][0]], low[node])
                if low[node] == order[node]:
                    group: list[int] = []
                    while not group or group[-1] != node:
                        group.append(stack.pop())
                        on.discard(group[-1])
                    out.append(sorted(group))
    return out
