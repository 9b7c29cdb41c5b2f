"""Prompts are read in pieces between the steps of others, and where memory does not suffice the rest goes on."""

from pathlib import Path

import pytest

from medreason.engine.levers import Levers
from tests.integration.decoder_steps import load, row, run
from tests.integration.engine_steps import QUIET
from tests.integration.gpu_like import gpu_like

pytestmark = QUIET

KINDS = ["own", "plain", "as on a GPU"]


def made(kind: str, folder: Path, adapter: Path):
    from medreason.engine.own_decoder import OwnDecoder
    from medreason.engine.plain_decoder import PlainDecoder
    from medreason.models.adapters import read_adapter

    model = load(folder)
    decoder = {
        "own": lambda: OwnDecoder(model, Levers()),
        "plain": lambda: PlainDecoder(model, padding=0),
        "as on a GPU": lambda: gpu_like(model),
    }[kind]()
    decoder.wear(read_adapter(adapter))
    return decoder


@pytest.fixture
def own(tiny_qwen3: Path, tiny_adapter: Path):
    return made("own", tiny_qwen3, tiny_adapter)


@pytest.fixture(params=KINDS)
def decoder(request, tiny_qwen3: Path, tiny_adapter: Path):
    return made(request.param, tiny_qwen3, tiny_adapter)


def test_a_prompt_read_in_pieces_is_answered_as_one_read_at_once(decoder, monkeypatch):
    """Pairs of one length and of two, alone and while others are answered."""

    def pairs():
        return [row(70), row(70, True)], [row(50, seed=2), row(33, True, seed=2)]

    monkeypatch.setattr(decoder, "_piece", 1000)
    whole = [run(decoder, (0, pair)) for pair in pairs()]
    monkeypatch.setattr(decoder, "_piece", 16)
    assert [run(decoder, (0, pair)) for pair in pairs()] == whole
    first, second = pairs()
    assert run(decoder, (0, first), (7, second)) == whole[0] + whole[1]


def test_a_long_prompt_holds_up_running_rows_for_a_piece_at_a_time(decoder, monkeypatch):
    monkeypatch.setattr(decoder, "_piece", 16)
    running, coming = row(5), row(160, True)
    decoder.prefill([running])
    said: dict = {running: [], coming: []}

    def step():
        for one, token in decoder.step():
            said[one].append(token)

    while not said[running]:
        step()
    decoder.prefill([coming])
    before, steps = len(said[running]), 0
    while not said[coming]:
        step()
        steps += 1
    assert steps >= 10
    assert len(said[running]) - before >= 9


def test_a_row_that_gives_up_while_its_prompt_is_read_leaves_the_other_right(decoder, monkeypatch):
    expected = run(decoder, (0, [row(40, True)]))
    monkeypatch.setattr(decoder, "_piece", 16)
    gone, stays = row(40), row(40, True)
    decoder.prefill([gone, stays])
    assert decoder.step() == []
    decoder.free(gone)
    assert decoder.rows == (stays,)
    said: list = []
    while len(said) < 12:
        said += [token for one, token in decoder.step() if one is stays]
    decoder.free(stays)
    assert [said] == expected and not decoder.rows


def test_a_prompt_that_cannot_be_read_ends_its_rows_alone(decoder, monkeypatch):
    from medreason.engine.decoder import Broken

    expected = run(decoder, (0, [row(8)]), tokens=6)[0]
    first = row(8)
    decoder.prefill([first])
    said = [token for _ in range(2) for one, token in decoder.step()]
    failing = [row(5), row(5, True)]
    decoder.prefill(failing)
    model = decoder._model
    kind, work = (type(model), "read") if hasattr(model, "read") else (type(model), "forward")

    def fails(*given, **named):
        raise MemoryError

    with monkeypatch.context() as patched:
        patched.setattr(kind, work, fails)
        with pytest.raises(Broken) as broken:
            if work == "forward":  # the rows that are answered need it too
                patched.setattr(decoder._batches[0], "given", False)
            decoder.step()
    assert set(broken.value.rows) == set(failing) and isinstance(broken.value.__cause__, MemoryError)
    for one in failing:
        decoder.free(one)
    assert decoder.rows == (first,)
    while len(said) < 6:
        said += [token for one, token in decoder.step()]
    assert said[:6] == expected


def test_the_cache_grows_in_the_middle_of_an_answer(own, monkeypatch):
    expected = run(own, (0, [row(10, True), row(3)]), tokens=60)
    own.rest()
    monkeypatch.setattr(own, "_first", 16)
    own._cache.shrink(1, 16)
    assert run(own, (0, [row(10, True), row(3)]), tokens=60) == expected
    assert own._cache.length == 128
    while own.rest():
        pass
    assert own._cache.length == 16


def test_no_memory_to_grow_ends_the_long_row_alone(own, monkeypatch):
    from medreason.engine.decoder import Broken

    expected = run(own, (0, [row(4)]), tokens=20)
    monkeypatch.setattr(own, "_first", 32)
    own._cache.shrink(2, 32)

    def grow(slots: int, length: int) -> bool:
        if length > 32:
            raise MemoryError
        return False

    monkeypatch.setattr(own._cache, "grow", grow)
    long, short = row(25, True), row(4)
    own.prefill([long, short])
    said: dict = {long: [], short: []}
    with pytest.raises(Broken) as broken:
        while True:
            for one, token in own.step():
                said[one].append(token)
    assert broken.value.rows == (long,) and isinstance(broken.value.__cause__, MemoryError)
    own.free(long)
    while len(said[short]) < 20:
        said[short] += [token for one, token in own.step() if one is short]
    assert said[short] == expected[0]


def test_memory_that_nobody_uses_is_given_up_for_a_prompt(own, monkeypatch):
    """A cache of eight rows stands where one long row is asked for, and both do not fit."""
    from medreason.engine.cache import Cache

    run(own, (0, [row(5, seed=seed) for seed in range(8)]), tokens=3)
    assert own._cache.slots == 8
    empty = Cache._empty

    def scarce(self, slots, length):
        if slots * length > 2000:
            raise MemoryError
        return empty(self, slots, length)

    monkeypatch.setattr(Cache, "_empty", scarce)
    assert len(run(own, (0, [row(600)]))[0]) == 12
    assert (own._cache.slots, own._cache.length) == (1, 1024)
