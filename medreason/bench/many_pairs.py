"""How many pairs a second the model of this computer answers, by how many are asked at once; run as a module.

The same cases, greedy and of one length, in rounds that take turns, so that what else the computer does decides
little; the best round of each count. The first count is what the others are compared with.
"""

import argparse
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from medreason import demo
from medreason.arguments import Parser, data_folder
from medreason.data.cases import load_cases
from medreason.domain.conversation import Conversation
from medreason.domain.sampling import Sampling
from medreason.engine.at_once import Question, ask_many
from medreason.engine.protocol import Engine
from medreason.errors import MedReasonError

ROUNDS = 2


def pairs_a_second(engine: Engine, questions: Sequence[Question[str]], at_once: int) -> float:
    began = time.monotonic()
    said = list(ask_many(engine, questions, engine.state.arms, lambda: at_once))
    if any(one.failed for one in said):
        raise MedReasonError("A question failed, so there is nothing to measure. Try again with other options.")
    return len(said) / (time.monotonic() - began)


def measure(engine: Engine, counts: Sequence[int], cases: int, tokens: int) -> list[dict[str, object]]:
    """One row a count, as `benchmark.py --json` has them."""
    sampling = Sampling(temperature=0, max_new_tokens=tokens)
    deck = load_cases(demo.CASES)[:cases]
    questions = [Question(case.case_id, Conversation(case.text), sampling) for case in deck]
    pairs_a_second(engine, questions[:1], 1)
    best = dict.fromkeys(counts, 0.0)
    for _ in range(ROUNDS):
        for count in counts:
            best[count] = max(best[count], pairs_a_second(engine, questions, count))
    first = best[counts[0]]
    return [
        {
            "id": f"pairs_at_once_{count}",
            "what": f"{count} pairs at once, {len(questions)} cases of {tokens} tokens a side at most",
            "value": round(best[count], 3),
            "unit": "pairs/s",
            "against": round(first, 3),
            "ratio": round(best[count] / first, 2),
        }
        for count in counts
    ]


def read_arguments(arguments: Sequence[str]) -> argparse.Namespace:
    parser = Parser(prog="many_pairs", description=__doc__)
    parser.add_model_options()
    parser.add_data_dir()
    parser.add_argument("--counts", type=int, nargs="+", default=[1, 4, 8], metavar="N")
    parser.add_argument("--cases", type=int, default=8)
    parser.add_argument("--max-new-tokens", type=int, default=48)
    parser.add_argument("--json", type=Path, metavar="FILE")
    return parser.parse_args(list(arguments))


def main(arguments: Sequence[str]) -> int:
    given = read_arguments(arguments)
    from medreason.engine.local import LocalEngine

    try:
        adapter = Path(given.adapter) if given.adapter else demo.ADAPTER
        engine = LocalEngine(given.base_model, given.revision, given.quantization, data_folder(given), adapter)
        engine.load()
        rows = measure(engine, given.counts, given.cases, given.max_new_tokens)
    except MedReasonError as fault:
        print(fault, file=sys.stderr)
        return 2
    for row in rows:
        print(f"{row['what']}: {row['value']} {row['unit']}, {row['ratio']} times the first")
    if given.json:
        given.json.write_text(json.dumps({"rows": rows}, indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
