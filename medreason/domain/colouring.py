"""Balanced sides: colours the edges of a graph between raters and cases with two colours, as evenly as can be.

Keyed by a secret, so that who knows every id and the program still cannot tell a side.
"""

import hashlib
import hmac
from collections import defaultdict
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from typing import TypeVar

Thing = TypeVar("Thing")
Edge = tuple[str, str]


@dataclass(frozen=True)
class Key:
    """Random choices that only the holder of the secret can repeat: HMAC-SHA256 of what is chosen about.
    Stateless, so that a choice depends on its own words alone and on no order of calls."""

    secret: str
    seed: int

    def rank(self, *words: Hashable) -> bytes:
        """32 bytes to sort by."""
        text = "\x1f".join(str(word) for word in (self.seed, *words))
        return hmac.new(self.secret.encode(), text.encode(), hashlib.sha256).digest()

    def coin(self, *words: Hashable) -> bool:
        return bool(self.rank("coin", *words)[0] & 1)

    def shuffled(self, things: Iterable[Thing], *words: Hashable) -> list[Thing]:
        """The things in a random order. They must differ in their words."""
        return sorted(things, key=lambda thing: self.rank("order", *words, thing))


def two_colours(edges: Sequence[Edge], key: Key, label: str) -> list[bool]:
    """A colour for each edge (rater, case); at every rater and every case the two colours differ by at most one.

    Edges may repeat. Dummy vertices make every degree even; an Euler circuit of a bipartite graph has even length,
    so colours that alternate along it are equal at every vertex, and without the dummies they differ by one
    (de Werra 1971, "Equitable colorations of graphs", RIRO 5:3). The walk and the first colour are drawn.
    """
    drawn = key.shuffled(range(len(edges)), label, "edges")
    ends: list[tuple[tuple[str, str], tuple[str, str]]] = [
        (("rater", edges[at][0]), ("case", edges[at][1])) for at in drawn
    ]
    ends += _dummies(ends, key, label)
    at_vertex: dict[tuple[str, str], list[int]] = defaultdict(list)
    for number, (one, other) in enumerate(ends):
        at_vertex[one].append(number)
        at_vertex[other].append(number)
    colours: list[bool | None] = [None] * len(ends)
    for number in range(len(ends)):
        if colours[number] is None:
            colour = key.coin(label, "first", number)
            for walked in _circuit(ends, at_vertex, colours, number):
                colours[walked] = colour
                colour = not colour
    found: list[bool] = [False] * len(edges)
    for number, at in enumerate(drawn):
        found[at] = bool(colours[number])
    return found


def _dummies(
    ends: Sequence[tuple[tuple[str, str], tuple[str, str]]], key: Key, label: str
) -> list[tuple[tuple[str, str], tuple[str, str]]]:
    """Edges to two dummy vertices, one on each shore, that make every degree even."""
    degree: dict[tuple[str, str], int] = defaultdict(int)
    for one, other in ends:
        degree[one] += 1
        degree[other] += 1
    odd = key.shuffled([vertex for vertex, count in degree.items() if count % 2], label, "odd")
    raters = [vertex for vertex in odd if vertex[0] == "rater"]
    cases = [vertex for vertex in odd if vertex[0] == "case"]
    no_case, no_rater = ("case", "\0"), ("rater", "\0")
    made = [(vertex, no_case) for vertex in raters] + [(no_rater, vertex) for vertex in cases]
    return made + ([(no_rater, no_case)] if len(raters) % 2 else [])


def _circuit(
    ends: Sequence[tuple[tuple[str, str], tuple[str, str]]],
    at_vertex: dict[tuple[str, str], list[int]],
    colours: list[bool | None],
    first: int,
) -> list[int]:
    """Every edge connected with `first`, in the order of an Euler circuit (Hierholzer's way)."""
    used: set[int] = set()
    circuit: list[int] = []
    stack: list[tuple[tuple[str, str], int]] = [(ends[first][0], -1)]
    while stack:
        vertex, came_by = stack[-1]
        here = at_vertex[vertex]
        while here and (here[-1] in used or colours[here[-1]] is not None):
            here.pop()
        if here:
            number = here.pop()
            used.add(number)
            one, other = ends[number]
            stack.append((other if vertex == one else one, number))
        else:
            stack.pop()
            if came_by >= 0:
                circuit.append(came_by)
    return circuit
