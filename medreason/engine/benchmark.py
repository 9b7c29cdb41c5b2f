"""Times the ways to get both answers, side by side in one run, so that a slow or a busy machine does not decide.

Contestants take turns for a number of rounds; a figure is the median of its rounds, a ratio that of the rounds'
own ratios, with the least and the largest in words.
"""

import gc
import statistics
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from medreason.domain.arms import ARMS, Arm
from medreason.engine.bench_runs import (
    BenchEngine,
    Run,
    ask,
    bytes_a_step,
    copy_bandwidth,
    first_token_s,
    generate,
    one_arm,
    together,
)
from medreason.engine.levers import Levers
from medreason.engine.masked_lora import linear_shapes
from medreason.engine.random_adapter import make_random_adapter
from medreason.folder import DataFolder
from medreason.models.base import LoadedBase, load_base, resolve_base

GIB = 2**30
PAIRS = 4
PARTS = ("generate", "models", "levers", "nf4")
LEVERS = {"cpu": ("own_layers", "packed"), "cuda": ("own_layers", "graphs", "compiled", "late")}

Row = dict[str, object]


@dataclass(frozen=True)
class Plan:
    """What to measure. Without `adapter` one of random numbers on all linear layers is made. `parts` are some of
    `PARTS`; those that need a GPU are left out without one. `say` hears how far it is."""

    base: str
    revision: str
    quantization: str
    folder: DataFolder
    adapter: Path | None
    tokens: int
    rounds: int
    rank: int = 16
    parts: tuple[str, ...] = PARTS
    say: Callable[[str], None] = print


def measure(plan: Plan) -> list[Row]:
    """A row a figure: `id`, `what`, `value`, `unit`, `against`, `ratio`."""
    with ExitStack() as stack:
        scratch = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="medreason-bench-")))
        base = load_base(resolve_base(plan.base, plan.revision, plan.folder, plan.quantization))
        if plan.adapter is None:
            adapter = make_random_adapter(scratch / "random-adapter", linear_shapes(base.model), plan.rank)
            plan = replace(plan, adapter=adapter)
        base.model = None  # loaded once more as the app does it, and timed
        del base
        _tidy()
        first_s, base = first_token_s(plan.base, plan.revision, plan.quantization, plan.folder, plan.adapter)
        plan.say(f"first token {first_s:.2f} s after the model is in memory")
        on_gpu = base.model.device.type == "cuda"
        what = "first token after the model is in memory, self-test and preparations included"
        rows = [_row("first_token", what, "s", [first_s]), *_pair(plan, base)]
        if "models" in plan.parts and on_gpu:
            rows += _two_models(plan, base, DataFolder(scratch / "second"))
        if "levers" in plan.parts:
            rows += _levers(plan, base)
        if "nf4" in plan.parts and on_gpu and base.precision != "nf4":
            pair = next(one for one in rows if one["id"] == "pair_vs_sequential")
            base.model = None
            del base
            _tidy()
            rows += _nf4(plan, float(str(pair["value"])))
    return rows


def _pair(plan: Plan, base: LoadedBase) -> list[Row]:
    """Both answers at once against one after the other, four pairs at once, and `generate`."""
    tokens, device = plan.tokens, base.model.device
    engine = BenchEngine(base, plan.folder, plan.adapter).ready()
    engine.settle()
    _reset_peak()
    contestants: dict[str, Callable[[], Run]] = {
        "pair": lambda: ask(engine, tokens),
        "baseline": lambda: ask(engine, tokens, (Arm.BASELINE,)),
        "finetuned": lambda: ask(engine, tokens, (Arm.FINETUNED,)),
        "four": lambda: ask(engine, tokens, times=PAIRS),
    }
    for contestant in contestants.values():  # shapes met for the first time are prepared for; not counted
        contestant()
        engine.settle()
    adapter = plan.adapter
    if "generate" in plan.parts and adapter is not None:
        generate(engine, adapter, 2)
        contestants["generate"] = lambda: generate(engine, adapter, tokens)
    runs = _rounds(plan, contestants)
    both = len(ARMS) * tokens
    named = f"{base.name}, {base.precision}, {tokens} tokens each, {engine.provenance.engine}"
    speed = [both / run.seconds for run in runs["pair"]]
    apart = zip(runs["baseline"], runs["finetuned"], strict=True)
    separate = [both / (one.seconds + other.seconds) for one, other in apart]
    steps = {name: [_step_ms(run, tokens) for run in runs[name]] for name in ("pair", "baseline")}
    four = [PAIRS * both / run.seconds for run in runs["four"]]
    what = f"both answers at once against one after the other ({named})"
    rows = [
        _row("pair_vs_sequential", what, "tokens/s", speed, separate),
        _row("pair_step_vs_single", "a step of the pair against one of the baseline", "ms", *steps.values()),
        _row("four_pairs", "four pairs at once against one", "tokens/s", four, speed),
    ]
    if "generate" in runs:
        against = [both / run.seconds for run in runs["generate"]]
        what = "both answers at once against two generate calls with PEFT"
        rows.append(_row("pair_vs_generate", what, "tokens/s", speed, against))
    moved = [copy_bandwidth(device) / 1e9] * plan.rounds
    read = [bytes_a_step(base) / step / 1e6 for step in steps["pair"]]
    what = "weights that a step of the pair reads against what a copy moves"
    rows.append(_row("share_of_bandwidth", what, "GB/s", read, moved))
    if device.type == "cuda":
        rows.append(_row("peak_memory", "peak memory, allocated, up to four pairs at once", "GiB", [_peak()]))
    engine.unload()
    return rows


def _two_models(plan: Plan, base: LoadedBase, second: DataFolder) -> list[Row]:
    """One base with two rows against two whole models that answer at the same time."""
    second.prepare()
    engine = BenchEngine(base, plan.folder, plan.adapter).ready()
    ask(engine, plan.tokens)
    engine.settle()
    _reset_peak()
    ask(engine, plan.tokens)
    one = _peak()
    other_base = load_base(resolve_base(plan.base, plan.revision, plan.folder, plan.quantization))
    other = BenchEngine(other_base, second, None).ready()
    other.settle()
    tuned, untuned = one_arm(engine, plan.tokens, Arm.FINETUNED), one_arm(other, plan.tokens, Arm.BASELINE)
    for each in (tuned, untuned):
        together([each])
    _reset_peak()
    runs = _rounds(plan, {"pair": lambda: ask(engine, plan.tokens), "two": lambda: together([tuned, untuned])})
    both = len(ARMS) * plan.tokens
    speed, against = ([both / run.seconds for run in runs[name]] for name in ("pair", "two"))
    what = "one base with two rows against two models in memory that answer at once"
    rows = [
        _row("pair_vs_two_models", what, "tokens/s", speed, against),
        _row("pair_memory_vs_two_models", "peak memory: one base against two models", "GiB", [one], [_peak()]),
    ]
    engine.unload()
    other.unload()
    return rows


def _levers(plan: Plan, base: LoadedBase) -> list[Row]:
    """The pair with every lever against the pair without one of them."""
    rows = []
    both = len(ARMS) * plan.tokens
    for lever in LEVERS[base.model.device.type]:
        speeds: dict[bool, list[float]] = {True: [], False: []}
        # One engine at a time, for each lays out the weights anew.
        for on in (True, False):
            engine = BenchEngine(base, plan.folder, plan.adapter, Levers(**{lever: on})).ready()
            ask(engine, plan.tokens)
            engine.settle()
            for _ in range(plan.rounds):
                speeds[on].append(both / ask(engine, plan.tokens).seconds)
            engine.unload()
            plan.say(f"{lever} {'on' if on else 'off'}: {statistics.median(speeds[on]):.1f} tokens/s")
        rows.append(_row(f"lever_{lever}", f"the pair with {lever} against without", "tokens/s", *speeds.values()))
    return rows


def _nf4(plan: Plan, sixteen_bit: float) -> list[Row]:
    base = load_base(resolve_base(plan.base, plan.revision, plan.folder, "nf4"))
    _tidy()
    _reset_peak()
    engine = BenchEngine(base, plan.folder, plan.adapter).ready()
    ask(engine, plan.tokens)
    engine.settle()
    runs = _rounds(plan, {"pair": lambda: ask(engine, plan.tokens)})["pair"]
    speed = [len(ARMS) * plan.tokens / run.seconds for run in runs]
    what = f"both answers at once in 4 bits against 16 ({engine.provenance.engine})"
    rows = [
        _row("nf4_pair", what, "tokens/s", speed, [sixteen_bit] * len(speed)),
        _row("nf4_peak_memory", "peak memory, allocated, of the pair in 4 bits", "GiB", [_peak()]),
    ]
    engine.unload()
    return rows


def _rounds(plan: Plan, contestants: dict[str, Callable[[], Run]]) -> dict[str, list[Run]]:
    runs: dict[str, list[Run]] = {name: [] for name in contestants}
    for number in range(plan.rounds):
        for name, contestant in contestants.items():
            runs[name].append(contestant())
        said = ", ".join(f"{name} {runs[name][-1].seconds:.2f} s" for name in contestants)
        plan.say(f"round {number + 1} of {plan.rounds}: {said}")
    return runs


def _row(name: str, what: str, unit: str, values: list[float], against: list[float] | None = None) -> Row:
    ratios = [value / other for value, other in zip(values, against, strict=True)] if against else []
    shown, which = (ratios, "ratios") if ratios else (values, "values")
    spread = f": median of {len(shown)}, {which} from {min(shown):.3g} to {max(shown):.3g}"
    return {
        "id": name,
        "what": what + (spread if len(shown) > 1 else ""),
        "value": round(statistics.median(values), 3),
        "unit": unit,
        "against": round(statistics.median(against), 3) if against else None,
        "ratio": round(statistics.median(ratios), 3) if ratios else None,
    }


def _step_ms(run: Run, tokens: int) -> float:
    return 1000 * max(run.later_s) / max(1, tokens - 1)


def _tidy() -> None:
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def _reset_peak() -> None:
    if torch.cuda.is_available():
        torch.cuda.reset_peak_memory_stats()


def _peak() -> float:
    return torch.cuda.max_memory_allocated() / GIB
