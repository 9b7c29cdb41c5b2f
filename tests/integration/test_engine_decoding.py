"""Every way of decoding computes the base and what PEFT computes, for rows of any length that come and go."""

from pathlib import Path

import pytest

from tests.integration.decoder_steps import GREEDY, WARM, load, make_tiny_llama, peft_logits, prompt, row, run
from tests.integration.engine_steps import QUIET
from tests.integration.gpu_like import gpu_like
from tests.tiny import make_adapter

pytestmark = QUIET

ALL_LINEARS = {"target_modules": "all-linear", "r": 3, "use_rslora": True}
UNEVEN = {"rank_pattern": {"v_proj": 2}, "alpha_pattern": {"q_proj": 3}, "layers_to_transform": [1]}


@pytest.fixture(scope="module", params=["qwen3", "llama"])
def folder(request, tiny_qwen3: Path, embedded_model: Path, tmp_path_factory) -> Path:
    if request.param == "qwen3":
        return tiny_qwen3
    return make_tiny_llama(tmp_path_factory.mktemp("models") / "tiny-llama", embedded_model)


@pytest.fixture(scope="module")
def adapters(folder: Path, tmp_path_factory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("adapters")
    return {
        name: make_adapter(folder, root / name, strength=0.3, **settings)
        for name, settings in {"qv": {}, "all": ALL_LINEARS, "uneven": UNEVEN}.items()
    }


@pytest.fixture(scope="module", params=["packed", "unpacked", "plain", "as on a GPU"])
def decoder(request, folder: Path):
    from medreason.engine.levers import Levers
    from medreason.engine.own_decoder import OwnDecoder
    from medreason.engine.plain_decoder import PlainDecoder

    if request.param == "plain":
        return PlainDecoder(load(folder), padding=0)
    if request.param == "as on a GPU":
        return gpu_like(load(folder))
    return OwnDecoder(load(folder), Levers(packed=request.param == "packed"))


@pytest.fixture
def own(tiny_qwen3: Path, tiny_adapter: Path):
    from medreason.engine.levers import Levers
    from medreason.engine.own_decoder import OwnDecoder
    from medreason.models.adapters import read_adapter

    made = OwnDecoder(load(tiny_qwen3), Levers())
    made.wear(read_adapter(tiny_adapter))
    return made


@pytest.mark.parametrize("name", ["qv", "all", "uneven"])
def test_both_rows_are_what_transformers_and_peft_compute(decoder, folder, adapters, name):
    import torch

    from medreason.models.adapters import read_adapter

    text = prompt(24)
    decoder.wear(read_adapter(adapters[name]))
    found = decoder.forced([text, text], [False, True])
    with torch.inference_mode():
        base = load(folder)(torch.tensor([text])).logits[0]
    for ours, theirs in zip(found, (base, peft_logits(folder, adapters[name], text)), strict=True):
        theirs = theirs[-ours.shape[0] :]
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-3)
        assert torch.equal(ours.argmax(-1), theirs.argmax(-1))
    assert (found[0] - found[1]).abs().max() > 0.1
    decoder.wear(None)
    torch.testing.assert_close(decoder.forced([text], [False])[0], found[0], rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize("sampling", [GREEDY, WARM], ids=["greedy", "warm"])
def test_rows_that_join_on_the_way_draw_what_they_draw_alone(decoder, adapters, sampling):
    from medreason.models.adapters import read_adapter

    decoder.wear(read_adapter(adapters["qv"]))
    shapes = [(12, False), (12, True), (40, True), (5, False), (9, True), (1, False)]

    def rows():
        return [row(length, adapted, sampling) for length, adapted in shapes]

    alone = [run(decoder, (0, [one]))[0] for one in rows()]
    some = rows()
    assert run(decoder, (0, some[:2]), (3, some[2:3]), (5, some[3:5]), (9, some[5:])) == alone
    assert len(set(map(tuple, alone))) == len(alone)


def test_a_row_that_leaves_gives_its_place_to_the_last_and_changes_nothing(own):
    rows = [row(length, adapted) for length, adapted in ((9, False), (17, True), (30, True))]
    alone = [run(own, (0, [row(len(one.prompt), one.adapted)]))[0] for one in rows]
    own.prefill(rows)
    said: dict = {one: [] for one in rows}
    for step in range(12):
        if step == 4:
            own.free(rows[0])
        for one, token in own.step():
            said[one].append(token)
    assert own._slots.rows[:3] == [rows[2], rows[1], None]
    assert [said[one] for one in rows] == [alone[0][:4], alone[1], alone[2]]


def test_cells_outside_a_row_are_never_read(own):
    """Free places hold NaN, and so do the keys beyond each row's length; values there are huge."""
    import torch

    rows = [row(20, True), row(6, False)]
    clean = run(own, (0, [row(20, True), row(6, False)]))
    for keys, values in own._cache._layers:
        keys.fill_(torch.nan)
        values.fill_(torch.nan)
    own.prefill(rows)
    said: dict = {one: [] for one in rows}
    for _ in range(12):
        for keys, values in own._cache._layers:
            for slot, length in enumerate(own._slots.lengths):
                if length:
                    keys[slot, :, length:] = torch.nan
                    values[slot, :, length:] = 1e30
        for one, token in own.step():
            said[one].append(token)
    assert list(said.values()) == clean


def test_merging_keeps_the_weights_once_and_as_they_were(tiny_qwen3, tiny_adapter):
    from medreason.engine.levers import Levers
    from medreason.engine.own_decoder import OwnDecoder
    from medreason.models.adapters import read_adapter

    model = load(tiny_qwen3)
    before = {name: weight.clone() for name, weight in model.state_dict().items()}

    def size() -> int:
        found = {weight.untyped_storage().data_ptr(): weight.untyped_storage() for weight in model.parameters()}
        return sum(storage.nbytes() for storage in found.values())

    alone = size()
    decoder = OwnDecoder(model, Levers(packed=False))
    assert size() == alone
    decoder.wear(read_adapter(tiny_adapter))
    assert alone < size() < 1.02 * alone  # the adapter's A stands beneath the merged weights
    decoder.wear(None)
    after = model.state_dict()
    assert before.keys() == after.keys() and all((before[name] == after[name]).all() for name in before)


@pytest.mark.parametrize(
    "change,reason",
    [
        ({"hidden_act": "gelu"}, "its activation is gelu"),
        ({"layer_types": ["full_attention", "sliding_attention"]}, "look at a window only"),
        ({"rope_parameters": {"rope_type": "dynamic", "rope_theta": 1.0, "factor": 2.0}}, "kind dynamic"),
    ],
)
def test_a_model_that_differs_goes_the_plain_way(tiny_qwen3, change, reason):
    from medreason.engine.own_model import unfit

    model = load(tiny_qwen3)
    assert unfit(model) == ""
    for name, value in change.items():
        setattr(model.config, name, value)
    assert reason in unfit(model)
