"""Schedules: balanced over raters and cases, drawn by the key alone, and never changed by who comes or goes."""

import json
from collections import Counter, defaultdict

from hypothesis import given, settings
from hypothesis import strategies as st

from medreason.domain.arms import Arm
from medreason.domain.assignment import assign
from medreason.domain.colouring import Key, two_colours
from medreason.domain.schedule import Rules, Shown, draw, join, listed, sealed, unlisted
from medreason.domain.study import ShowingKind

KEY = Key("00" * 32, 42)
CONTROLS = (
    Shown("aa-1", ShowingKind.GOLD_AA, (1, 2)),
    Shown("aa-2", ShowingKind.GOLD_AA, (1, 2)),
    Shown("planted", ShowingKind.GOLD_PLANTED),
    Shown("fake", ShowingKind.GOLD_FAKE),
)
QUICK = settings(max_examples=60, deadline=None)


def study(count: int, samples: int = 1) -> list[Shown]:
    return [Shown(f"c{n}", ShowingKind.STUDY, tuple(range(1, samples + 1))) for n in range(count)]


def raters(count: int) -> tuple[str, ...]:
    return tuple(f"R{n:02d}" for n in range(1, count + 1))


def balance(slots, by, kind=ShowingKind.STUDY):
    """Fine-tuned on the left minus on the right, for each rater or case."""
    found = Counter({getattr(slot, by): 0 for slot in slots})
    for slot in slots:
        if slot.kind is kind:
            found[getattr(slot, by)] += 1 if slot.left.startswith(Arm.FINETUNED) else -1
    return found


def within_one(balanced) -> bool:
    return all(-1 <= value <= 1 for value in balanced.values())


sizes = st.tuples(
    st.integers(1, 40), st.integers(1, 14), st.integers(1, 5), st.integers(1, 3), st.text("abc", max_size=4)
)


@QUICK
@given(sizes)
def test_sides_differ_by_at_most_one_at_every_rater_and_every_case(size):
    count, people, overlap, samples, secret = size
    slots = draw(study(count, samples), raters(people), Rules(overlap, 0.0), Key(secret, 1))
    assert within_one(balance(slots, "rater")) and within_one(balance(slots, "case_id"))


@QUICK
@given(sizes)
def test_every_case_has_its_raters_and_nobody_more_than_one_case_above_another(size):
    count, people, overlap, samples, secret = size
    slots = draw(study(count, samples), raters(people), Rules(overlap, 0.0), Key(secret, 1))
    seen = defaultdict(set)
    for slot in slots:
        seen[slot.case_id].add(slot.rater)
    wanted = people if people <= 4 else min(overlap, people)
    assert len(seen) == count and all(len(who) == wanted for who in seen.values())
    assert len({(slot.rater, slot.case_id, slot.sample) for slot in slots}) == len(slots)
    load = Counter(rater for who in seen.values() for rater in who)
    loads = [load[rater] for rater in raters(people)]
    assert max(loads) - min(loads) <= 1


@QUICK
@given(st.lists(st.tuples(st.sampled_from("abcde"), st.sampled_from("vwxyz")), max_size=60), st.text(max_size=3))
def test_any_graph_is_coloured_evenly(edges, secret):
    colours = two_colours(edges, Key(secret, 0), "test")
    for place in (0, 1):
        found = Counter({edge[place]: 0 for edge in edges})
        for edge, colour in zip(edges, colours, strict=True):
            found[edge[place]] += 1 if colour else -1
        assert within_one(found)


@QUICK
@given(sizes, st.floats(0, 0.5))
def test_repeats_come_last_with_the_sides_swapped_and_evenly_chosen(size, share):
    count, people, overlap, samples, secret = size
    slots = draw(
        [*study(count, samples), *CONTROLS], raters(people), Rules(overlap, share, ("p",)), Key(secret, 2)
    )
    for rater in raters(people):
        mine = [slot for slot in slots if slot.rater == rater]
        assert [slot.position for slot in mine] == list(range(1, len(mine) + 1))
        kinds = [slot.kind for slot in mine]
        repeats = [slot for slot in mine if slot.kind is ShowingKind.REPEAT]
        assert kinds[0] is ShowingKind.PRACTICE and ShowingKind.PRACTICE not in kinds[1:]
        assert not repeats or kinds[-len(repeats) :] == [ShowingKind.REPEAT] * len(repeats)
        counted = kinds.count(ShowingKind.STUDY)
        assert len(repeats) == (max(1, int(counted * share + 0.5)) if share and counted else 0)
        for slot in repeats:
            first = mine[slot.repeat_of - 1]
            assert first.kind is ShowingKind.STUDY and first.case_id == slot.case_id
            assert (first.left, first.right) == (slot.right, slot.left)
        assert within_one(balance(repeats, "rater", ShowingKind.REPEAT))


def test_controls_are_shown_to_everybody_with_the_right_answers_on_both_sides():
    slots = draw([*study(8), *CONTROLS], raters(6), Rules(2, 0.0), KEY)
    arms = {}
    for slot in slots:
        if slot.kind is ShowingKind.GOLD_AA:
            assert {slot.left.split(":")[1], slot.right.split(":")[1]} == {"1", "2"}
            assert slot.left.split(":")[0] == slot.right.split(":")[0]
            arms[slot.case_id] = slot.left.split(":")[0]
        if slot.kind is ShowingKind.GOLD_PLANTED:
            (other,) = {slot.left, slot.right} - {"planted:1"}
            assert other in ("baseline:1", "finetuned:1")
    assert sorted(arms.values()) == ["baseline", "finetuned"]
    shown = Counter((slot.case_id, slot.rater) for slot in slots)
    assert all(shown[case.case_id, rater] == 1 for case in CONTROLS for rater in raters(6))


def test_the_same_key_gives_the_same_schedule_and_another_gives_another():
    args = ([*study(12), *CONTROLS], raters(6), Rules(3, 0.1, ("p1", "p2")))
    assert draw(*args, KEY) == draw(*args, Key("00" * 32, 42))
    assert draw(*args, KEY) != draw(*args, Key("00" * 32, 43))
    assert draw(*args, KEY) != draw(*args, Key("01" * 32, 42))


def test_the_hash_of_a_known_schedule_is_what_it_was():
    slots = draw([*study(12), *CONTROLS], raters(6), Rules(3, 0.1, ("p1", "p2")), KEY)
    body, sha256 = sealed({"slots": listed(slots)})
    assert sha256 == "1da24cd38cb248df09468ab46e97a54ec6368280ed21f1e8e23a6852c95d5972"
    assert unlisted(json.loads(body)["slots"]) == slots


def test_the_left_share_over_400_items_is_even_and_not_told_by_id_or_order():
    slots = [slot for slot in draw(study(100), raters(4), Rules(4, 0.0), KEY) if slot.kind is ShowingKind.STUDY]
    left = [slot.left.startswith(Arm.FINETUNED) for slot in slots]
    assert len(left) == 400 and 0.45 <= sum(left) / 400 <= 0.55
    number = [int(slot.case_id[1:]) for slot in slots]
    rater = [int(slot.rater[1:]) for slot in slots]
    guesses = {
        "parity of the case": [n % 2 == 0 for n in number],
        "parity of the position": [slot.position % 2 == 0 for slot in slots],
        "first half of the cases": [n < 50 for n in number],
        "first half of the positions": [slot.position <= 50 for slot in slots],
        "parity of the rater": [r % 2 == 0 for r in rater],
        "case and rater": [(n + r) % 2 == 0 for n, r in zip(number, rater, strict=True)],
        "the side before": [True, *left[:-1]],
    }
    for what, guess in guesses.items():
        right = sum(one == told for one, told in zip(guess, left, strict=True)) / 400
        assert 0.4 <= right <= 0.6, (what, right)


def test_another_secret_turns_about_half_of_the_sides():
    def lefts(secret: str):
        slots = draw(study(100), raters(4), Rules(4, 0.0), Key(secret, 42))
        return {(slot.rater, slot.case_id): slot.left for slot in slots}

    one, other = lefts("a" * 64), lefts("b" * 64)
    assert 0.4 <= sum(one[place] == other[place] for place in one) / len(one) <= 0.6


@QUICK
@given(sizes, st.integers(0, 3))
def test_somebody_who_joins_changes_no_showing_and_is_balanced(size, leaving):
    count, people, overlap, samples, secret = size
    key, rules, cases = Key(secret, 3), Rules(overlap, 0.1), [*study(count, samples), *CONTROLS]
    before = draw(cases, raters(people), rules, key)
    active = raters(people)[min(leaving, people - 1) :]
    joined = join(before, cases, active, "R99", rules, key)
    assert draw(cases, raters(people), rules, key) == before
    assert {slot.rater for slot in joined} == {"R99"}
    assert within_one(balance(joined, "rater"))
    seen = {slot.case_id for slot in joined if slot.kind is ShowingKind.STUDY}
    if len(active) + 1 <= 4:
        assert len(seen) == count
    everybody = balance(before + joined, "case_id")
    assert all(abs(value) <= 3 for value in everybody.values())
    assert join(before, cases, active, "R99", rules, key) == joined


def test_a_newcomer_takes_the_cases_that_others_have_left():
    cases, rules = study(20), Rules(2, 0.0)
    before = draw(cases, raters(8), rules, KEY)
    gone = {slot.case_id for slot in before if slot.rater == "R01"}
    joined = {slot.case_id for slot in join(before, cases, raters(8)[1:], "R09", rules, KEY)}
    assert gone <= joined and len(joined) == 5


def test_blocks_pair_the_raters_about_equally():
    blocks = assign([f"c{n}" for n in range(60)], raters(12), 3, KEY)
    together = Counter(
        pair for block in blocks.values() for pair in ((a, b) for a in block for b in block if a < b)
    )
    everybody = [together[a, b] for a in raters(12) for b in raters(12) if a < b]
    assert max(everybody) - min(everybody) <= 3 and sum(everybody) == 180
