"""The schedule of a study: which rater sees which pair, when, and what stands left. Drawn once, sealed by a hash.

Pure and keyed by the study's secret: the same secret, seed and study give the same schedule on any machine.
Study showings are balanced by themselves, controls by themselves, and repeats turn a balanced choice of the
first: left and right differ by at most one at every rater and, but for repeats, at every case. Somebody who
joins later gets an amendment that is as even as the existing showings, which stay, allow.
"""

import hashlib
import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from medreason.domain.arms import Arm
from medreason.domain.assignment import assign, share_of_newcomer
from medreason.domain.colouring import Edge, Key, two_colours
from medreason.domain.study import ShowingKind

ALGORITHM = "medreason-schedule-1"
PLANTED, PRACTICE = "planted", "practice"


def place(who: Arm | str, sample: int) -> str:
    """What names one answer in a schedule: whose it is, and which sample, from 1."""
    return f"{who}:{sample}"


@dataclass(frozen=True)
class Shown:
    """A case as it can be shown: its id, why, and the samples of which both arms have an answer."""

    case_id: str
    kind: ShowingKind
    samples: tuple[int, ...] = (1,)


@dataclass(frozen=True)
class Slot:
    """One showing to one rater. `left` and `right` are places; `repeat_of` is the position of the first showing
    that this one repeats, 0 where it repeats none. Positions count from 1 for each rater."""

    rater: str
    position: int
    kind: ShowingKind
    case_id: str
    sample: int
    left: str
    right: str
    repeat_of: int = 0

    @property
    def swapped(self) -> "Slot":
        return replace(self, left=self.right, right=self.left)


@dataclass(frozen=True)
class Rules:
    """What a schedule is drawn by, besides its key."""

    overlap: int
    repeat_share: float
    practice: tuple[str, ...] = ()


def draw(cases: Sequence[Shown], raters: Sequence[str], rules: Rules, key: Key) -> tuple[Slot, ...]:
    """The whole schedule, rater by rater in the order of their showings."""
    study = [case for case in cases if case.kind is ShowingKind.STUDY]
    blocks = assign([case.case_id for case in study], raters, rules.overlap, key)
    study_edges = [(rater, case) for case in study for rater in blocks[case.case_id]]
    controls = [case for case in cases if case.kind is not ShowingKind.STUDY]
    control_edges = [(rater, case) for case in controls for rater in raters]
    slots: dict[str, list[Slot]] = defaultdict(list)
    for label, edges in (("study", study_edges), ("controls", control_edges)):
        several = [(rater, case, sample) for rater, case in edges for sample in case.samples[: _shown(case)]]
        named: list[Edge] = [(rater, case.case_id) for rater, case, _ in several]
        colours = two_colours(named, key, label)
        for (rater, case, sample), colour in zip(several, colours, strict=True):
            slots[rater].append(_slot(rater, case, sample, colour, cases, key))
    return tuple(slot for rater in raters for slot in _in_order(rater, slots[rater], rules, key))


def join(
    existing: Sequence[Slot], cases: Sequence[Shown], active: Sequence[str], newcomer: str, rules: Rules, key: Key
) -> tuple[Slot, ...]:
    """The showings of somebody who joins a drawn schedule. `active` are the raters who are still there."""
    raters_of: dict[str, tuple[str, ...]] = {case.case_id: () for case in cases if case.kind is ShowingKind.STUDY}
    balance: Counter[str] = Counter()
    for slot in existing:
        if slot.kind is ShowingKind.STUDY and slot.case_id in raters_of:
            raters_of[slot.case_id] = (*raters_of[slot.case_id], slot.rater)
            balance[slot.case_id] += 1 if _first_left(slot, cases, key) else -1
    chosen = set(share_of_newcomer(raters_of, active, rules.overlap, newcomer, key))
    made: list[Slot] = []
    for wanted in (True, False):
        mine = [
            (case, sample)
            for case in cases
            if (case.kind is ShowingKind.STUDY) is wanted and (not wanted or case.case_id in chosen)
            for sample in case.samples[: _shown(case)]
        ]
        colours = _colours_of_newcomer([case.case_id for case, _ in mine], balance, newcomer, key)
        made += [
            _slot(newcomer, case, sample, colour, cases, key)
            for (case, sample), colour in zip(mine, colours, strict=True)
        ]
    return tuple(_in_order(newcomer, made, rules, key))


def _colours_of_newcomer(cases: Sequence[str], balance: Counter[str], newcomer: str, key: Key) -> list[bool]:
    """Colours that differ by at most one over the newcomer, and each evens its case where that leaves room."""
    standing = Counter(balance)
    colours: list[bool] = []
    for number, case in enumerate(cases):
        colour = key.coin("join", newcomer, case, number) if standing[case] == 0 else standing[case] < 0
        standing[case] += 1 if colour else -1
        colours.append(colour)
    order = key.shuffled(range(len(cases)), "join", newcomer, "turn")
    while abs(surplus := sum(1 if colour else -1 for colour in colours)) > 1:
        common = surplus > 0
        turned = min(
            (number for number in order if colours[number] is common),
            key=lambda number: abs(standing[cases[number]] - (2 if common else -2)),
        )
        standing[cases[turned]] -= 2 if common else -2
        colours[turned] = not common
    return colours


def _shown(case: Shown) -> int:
    """How many showings a case makes: a same-arm pair uses up two samples."""
    return 1 if case.kind is ShowingKind.GOLD_AA else len(case.samples)


def _slot(rater: str, case: Shown, sample: int, colour: bool, cases: Sequence[Shown], key: Key) -> Slot:
    """A slot without its position yet. `colour` True puts the first of the two places left."""
    first, second = _places(case, sample, cases, key)
    left, right = (first, second) if colour else (second, first)
    return Slot(rater, 0, case.kind, case.case_id, sample, left, right)


def _places(case: Shown, sample: int, cases: Sequence[Shown], key: Key) -> tuple[str, str]:
    """The two answers of a showing. In controls, the arm that is doubled or replaced alternates over the cases."""
    if case.kind not in (ShowingKind.GOLD_AA, ShowingKind.GOLD_PLANTED):
        return place(Arm.FINETUNED, sample), place(Arm.BASELINE, sample)
    arm = control_arm(case.case_id, [one.case_id for one in cases if one.kind is case.kind], key)
    if case.kind is ShowingKind.GOLD_AA:
        return place(arm, case.samples[0]), place(arm, case.samples[1])
    return place(PLANTED, 1), place(arm.other, sample)


def control_arm(case_id: str, like: Iterable[str], key: Key) -> Arm:
    """The arm that a control doubles or replaces: half of the controls `like` it take each, drawn by the key."""
    order = key.shuffled(like, "control")
    first = key.coin("control", "first")
    return Arm.FINETUNED if (order.index(case_id) % 2 == 0) is first else Arm.BASELINE


def _first_left(slot: Slot, cases: Sequence[Shown], key: Key) -> bool:
    case = next(case for case in cases if case.case_id == slot.case_id)
    return slot.left == _places(case, slot.sample, cases, key)[0]


def _in_order(rater: str, slots: Sequence[Slot], rules: Rules, key: Key) -> list[Slot]:
    """Practice, then everything in a random order, then the repeats in another, numbered from 1."""
    practice = [
        Slot(rater, 0, ShowingKind.PRACTICE, case_id, 1, place(PRACTICE, 1), place(PRACTICE, 2))
        for case_id in rules.practice
    ]
    by_words = {(slot.case_id, slot.sample): slot for slot in slots}
    shuffled = [by_words[words] for words in key.shuffled(by_words, rater, "showings")]
    first = [replace(slot, position=number) for number, slot in enumerate([*practice, *shuffled], 1)]
    repeated = [
        replace(slot.swapped, kind=ShowingKind.REPEAT, repeat_of=slot.position, position=len(first) + number)
        for number, slot in enumerate(_to_repeat(rater, first, rules.repeat_share, key), 1)
    ]
    return first + repeated


def _to_repeat(rater: str, slots: Sequence[Slot], share: float, key: Key) -> list[Slot]:
    """A share of the study showings, rounded and at least one, as many of either side as can be."""
    study = [slot for slot in slots if slot.kind is ShowingKind.STUDY]
    wanted = min(len(study), max(1, int(len(study) * share + 0.5))) if share and study else 0
    ranked = key.shuffled(range(len(study)), rater, "repeats")
    sides: dict[bool, list[Slot]] = {True: [], False: []}
    for number in ranked:
        sides[study[number].left.startswith(Arm.FINETUNED)].append(study[number])
    side = key.coin(rater, "repeats", "first")
    chosen: list[Slot] = []
    while len(chosen) < wanted:
        chosen.append((sides[side] or sides[not side]).pop())
        side = not side
    return [chosen[at] for at in key.shuffled(range(len(chosen)), rater, "repeats", "order")]


def sealed(body: Mapping[str, object]) -> tuple[str, str]:
    """The canonical JSON of a schedule or amendment, and the SHA-256 of it in hex."""
    text = json.dumps(body, ensure_ascii=False, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return text, hashlib.sha256(text.encode("utf-8")).hexdigest()


def listed(slots: Iterable[Slot]) -> list[list[object]]:
    """Slots as a schedule's JSON holds them."""
    return [
        [one.rater, one.position, str(one.kind), one.case_id, one.sample, one.left, one.right, one.repeat_of]
        for one in slots
    ]


def unlisted(rows: Iterable[Sequence]) -> tuple[Slot, ...]:
    """What `listed` wrote."""
    return tuple(
        Slot(
            str(row[0]),
            int(row[1]),
            ShowingKind(row[2]),
            str(row[3]),
            int(row[4]),
            str(row[5]),
            str(row[6]),
            int(row[7]),
        )
        for row in rows
    )
