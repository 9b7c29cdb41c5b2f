"""What a decoder does on a GPU, gone through on the CPU: graphs taken and dropped, layers compiled once, and all
of it left out where a machine cannot.
"""

import pytest

from tests.integration.decoder_steps import load, prompt, row, run
from tests.integration.engine_steps import QUIET
from tests.integration.gpu_like import gpu_like

pytestmark = QUIET


def test_a_gpu_takes_the_graph_that_is_there_until_a_better_one_is_made(tiny_qwen3, tiny_adapter, monkeypatch):
    from medreason.engine import own_steps
    from medreason.models.adapters import read_adapter

    decoder = gpu_like(load(tiny_qwen3))
    decoder.wear(read_adapter(tiny_adapter))
    steps, text = decoder._steps, prompt(10)
    decoder.forced([text, text], [False, True])
    replayed = steps._graphs.replayed
    assert steps._compiled.ready == {(2, True)} and ("forward", 2, True) in steps._graphs

    def form_of(*rows) -> set[tuple]:
        replayed.clear()
        run(decoder, (0, rows), tokens=4)
        return {name for name in replayed if name[0] == "forward"}

    assert form_of(row(5), row(6, True)) == {("forward", 2, True)}
    assert form_of(row(5)) == {("forward", 2, True)}  # as there is none for one row yet
    assert form_of(row(5), row(6), row(7, True)) == {("forward", 4, True)}
    assert decoder.rest() and steps._compiled.ready == {(2, True)}  # who asks on does not wait for a compiler
    monkeypatch.setattr(own_steps, "QUIET_S", 0.0)
    while decoder.rest():
        pass
    assert {(1, True), (4, True), (8, True), (1, False)} <= steps._compiled.ready
    assert form_of(row(5)) == {("forward", 1, False)}
    assert form_of(row(5, True)) == {("forward", 1, True)}
    replayed.clear()
    decoder.wear(None)
    decoder.forced([text], [False])
    assert steps._compiled.ready == {(1, False)}


def test_a_gpu_that_cannot_capture_or_compile_answers_all_the_same(tiny_qwen3, tiny_adapter, monkeypatch):
    from medreason.engine.compiled import CompiledLayer
    from medreason.models.adapters import read_adapter
    from tests.integration.gpu_like import Replays

    def fails(*given):
        raise RuntimeError("not here")

    whole = gpu_like(load(tiny_qwen3))
    whole.wear(read_adapter(tiny_adapter))
    expected = run(whole, (0, [row(9, True), row(4)]))
    for kind, method in ((Replays, "capture"), (CompiledLayer, "make")):
        decoder = gpu_like(load(tiny_qwen3))
        decoder.wear(read_adapter(tiny_adapter))
        with monkeypatch.context() as patched:
            patched.setattr(kind, method, fails)
            decoder.forced([prompt(8)] * 2, [False, True])
            assert run(decoder, (0, [row(9, True), row(4)])) == expected
        assert decoder._steps._compiled is None or decoder._steps._uncaptured


def test_a_layer_is_compiled_once_for_all_layers_and_lengths(tiny_qwen3, tiny_adapter):
    """The compiler's front end only: what it traces is computed as it is."""
    import torch

    from medreason.engine.compiled import CompiledLayer
    from medreason.engine.own_model import OwnModel
    from medreason.models.adapters import read_adapter

    with torch.no_grad(), torch._dynamo.config.patch(error_on_recompile=False):
        model = OwnModel(load(tiny_qwen3), packed=False)
        model.wear(read_adapter(tiny_adapter))
        model.prepare(128)
        compiled = CompiledLayer(model.shape, backend="eager")
        compiled.make(model.layers[0], 2, True, 64)
        assert compiled.ready == {(2, True)}
        with torch._dynamo.config.patch(error_on_recompile=True):
            for window in (64, 128):
                cells = torch.tensor([5, window - 2])
                seen = (torch.arange(window) <= cells[:, None])[:, None, None]
                kept = [(torch.randn(2, 2, window, 16), torch.randn(2, 2, window, 16)) for _ in model.layers]
                again = [(keys.clone(), values.clone()) for keys, values in kept]
                given = (torch.tensor([7, 9]), cells), (torch.tensor([[0.0], [1.0]]), seen)
                plain = model.step(*given[0], kept, *given[1])
                torch.testing.assert_close(model.step(*given[0], again, *given[1], compiled), plain)
                for ours, theirs in zip(again, kept, strict=True):
                    torch.testing.assert_close(ours, theirs)


@pytest.mark.parametrize("kind", ["beneath", "beside", "modules"])
@pytest.mark.parametrize("rows", [2, 700])
def test_a_compiled_product_is_the_library_s_product(kind, rows):
    """Few rows are summed, many are not; a row on which the adapter does not act is the base's exactly."""
    import torch
    from torch import nn

    from medreason.engine.products import LowRank, Modules, merge, multiply

    torch.manual_seed(0)
    linears = [nn.Linear(24, width, bias=False) for width in (16, 8)]
    low = LowRank(torch.randn(8, 24), torch.randn(24, 8))
    whole = torch.cat([layer.weight.detach() for layer in linears])
    product = Modules(tuple(linears), low) if kind == "modules" else merge(linears, low, kind == "beside")
    x, acting = torch.randn(rows, 24), (torch.arange(rows) % 2).float()[:, None]
    traced = []

    def backend(graph, inputs):
        traced.append("sum(" in graph.code)
        return graph.forward

    with torch.no_grad():
        compiled = torch.compile(multiply, backend=backend, fullgraph=True)(product, x, acting)
        plain = multiply(product, x, acting)
    assert traced == [rows == 2]
    expected = x @ whole.T + (x @ low.a.T * acting) @ low.b.T
    for found in (compiled, plain):
        torch.testing.assert_close(found, expected, atol=1e-4, rtol=1e-4)
    with torch.no_grad():
        base = multiply(merge(linears, None) if kind != "modules" else Modules(tuple(linears), None), x, None)
    torch.testing.assert_close(compiled[::2], base[::2], atol=1e-5, rtol=1e-5)


def test_no_graph_outlives_a_cache_that_could_not_grow(tiny_qwen3, tiny_adapter, monkeypatch):
    """Some layers have moved when memory runs out; a graph of before would read where they were."""
    from medreason.engine.cache import Cache
    from medreason.models.adapters import read_adapter

    decoder = gpu_like(load(tiny_qwen3))
    decoder.wear(read_adapter(tiny_adapter))
    decoder.forced([prompt(8)] * 2, [False, True])
    expected = run(decoder, (0, [row(9, True), row(4)]))
    empty, made = Cache._empty, []

    def scarce(self, slots, length):
        made.append(1)
        if len(made) == 3:
            raise MemoryError
        return empty(self, slots, length)

    first = [row(9, True), row(4)]
    decoder.prefill(first)
    said: dict = {one: [] for one in first}
    for _ in range(4):
        for one, token in decoder.step():
            said[one].append(token)
    with monkeypatch.context() as patched:
        patched.setattr(Cache, "_empty", scarce)
        with pytest.raises(MemoryError):
            decoder.prefill([row(5000)])
    while any(len(tokens) < 12 for tokens in said.values()):
        for one, token in decoder.step():
            said[one].append(token)
    assert [tokens[:12] for tokens in said.values()] == expected


def test_what_is_compiled_before_the_loading_is_what_the_model_needs(tiny_qwen3, tiny_adapter):
    """A stand-in made of config.json and the adapter's header: the model's own layer then needs no compiling."""
    import torch

    from medreason.engine.compiled import CompiledLayer
    from medreason.engine.compiled_ahead import Wanted, read_once, stand_in, step_shape
    from medreason.engine.own_model import OwnModel, ranks_of
    from medreason.models.adapters import read_adapter
    from medreason.models.base_shape import read_shape

    traced = []

    def backend(graph, inputs):
        traced.append(graph)
        return graph.forward

    adapter, shape = read_adapter(tiny_adapter), read_shape(tiny_qwen3)
    model = OwnModel(load(tiny_qwen3), packed=False)
    model.beside = True
    model.wear(adapter)
    assert step_shape(shape) == model.shape
    torch._dynamo.reset()
    layer = stand_in(shape, ranks_of(adapter), False, model.dtype, model.device)
    read_once(Wanted(model.shape, layer, ()))
    for form in ((2, True), (1, False)):
        CompiledLayer(model.shape, backend).make(layer, *form, 64)
        made = len(traced)
        CompiledLayer(model.shape, backend).make(model.layers[0], *form, 128)
        assert len(traced) == made > 0
    other = stand_in(shape, [rank + 8 for rank in ranks_of(adapter)], False, model.dtype, model.device)
    CompiledLayer(model.shape, backend).make(other, 2, True, 64)
    assert len(traced) > made  # so that the count tells something


def test_compiling_before_the_loading_ends_with_the_form_at_hand_or_with_a_fault(monkeypatch):
    import threading

    from medreason.engine import compiled_ahead

    made, read, going = [], [], threading.Event()

    class Slow:
        def __init__(self, shape):
            pass

        def make(self, layer, rows, adapted, length):
            going.wait(10)
            made.append(rows)
            if rows == 4:
                raise RuntimeError("no compiler here")

    def found(*forms):
        return lambda: compiled_ahead.Wanted(None, object(), forms)

    monkeypatch.setattr(compiled_ahead, "CompiledLayer", Slow)
    monkeypatch.setattr(compiled_ahead, "read_once", lambda wanted: read.append(wanted))
    ahead = compiled_ahead.Ahead(found((2, True), (1, True)))
    ahead._enough = True
    going.set()
    ahead.wait()
    assert made == [2] and len(read) == 1
    made.clear()
    ahead = compiled_ahead.Ahead(found((2, True), (4, True), (8, True)))
    ahead._thread.join(10)
    ahead.wait()
    assert made == [2, 4]
    compiled_ahead.Ahead(lambda: None).wait()
    assert made == [2, 4]


def test_resting_after_many_rows_computes_no_more_rows_than_there_are_places(tiny_qwen3):
    decoder = gpu_like(load(tiny_qwen3))
    decoder.wear(None)
    decoder.forced([list(range(5, 25))] * 8, [False] * 8)
    decoder._make_room(8, 2 * decoder._first)
    assert decoder.rest() and decoder._cache.slots == 2
