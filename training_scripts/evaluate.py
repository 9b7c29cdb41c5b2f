"""Puts every case of a deck to both arms and writes down what they say, one JSON line an arm and case.

Several cases are asked at once, and written in the order of the deck whatever ends first. Prints the lengths of
thinking and answer in tokens, and how often each arm thought in a closed trace and then answered. Judges nothing
else: whether an answer is right is for raters.
"""

import argparse
import json
import sys
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from medreason.arguments import Parser, data_folder, server_of
from medreason.data.answers_file import AnswersFile
from medreason.data.cases import load_cases
from medreason.data.earlier_answers import Earlier, read_earlier
from medreason.domain.answers import Answer, Finish
from medreason.domain.arms import ARMS, Arm
from medreason.domain.case import Case
from medreason.domain.conversation import Conversation
from medreason.domain.model_server import ModelServer
from medreason.domain.pace import Pace
from medreason.domain.provenance import Provenance
from medreason.domain.sampling import Sampling
from medreason.engine.at_once import Question, Said, ask_many
from medreason.engine.protocol import Engine
from medreason.errors import MedReasonError
from medreason.folder import DataFolder
from medreason.leaving import leave_at_once
from medreason.models.adapters import read_adapter

Answers = dict[Arm, Answer]
MOST_AT_ONCE = 256
MOST_FAILED = 10


def read_arguments(arguments: list[str]) -> argparse.Namespace:
    usual = Sampling()
    parser = Parser(prog="evaluate.py", description=__doc__)
    parser.add_argument("--cases", type=Path, required=True, help="case deck, .jsonl or .csv")
    parser.add_argument("--base-model", default="auto", help="auto, embedded, a hub id or a folder")
    parser.add_argument("--revision", default="", help="hub revision of the base model")
    parser.add_argument("--quantization", default="auto", choices=("auto", "none", "nf4"))
    parser.add_argument("--adapter", type=Path, help="adapter folder; without one the baseline answers alone")
    parser.add_server_options()
    parser.add_argument("--seed", type=int, default=usual.seed, help="the same for both arms")
    parser.add_argument(
        "--max-new-tokens",
        type=int,
        default=usual.max_new_tokens,
        help="budget of an answer, thinking included; the same for both arms (default %(default)s)",
    )
    parser.add_argument("--greedy", action="store_true", help="always the likeliest token, no sampling")
    parser.add_argument(
        "--at-once",
        type=int,
        metavar="N",
        help=f"cases asked at the same time, 1 to {MOST_AT_ONCE} (default: as many as the engine gains by)",
    )
    parser.add_argument("--limit", type=int, default=0, help="only the first so many cases; 0 means all")
    parser.add_argument(
        "--out", type=Path, required=True, help="JSONL file to write; must not exist yet, but with --resume"
    )
    parser.add_argument(
        "--resume",
        action="store_true",
        help="go on with --out, also after a crash; cases with both answers are not asked again",
    )
    parser.add_data_dir()
    return parser.parse_args(arguments)


def make_engine(given: argparse.Namespace, server: ModelServer | None, folder: DataFolder) -> Engine:
    """The engine that the options choose, not loaded yet."""
    if server is not None:
        from medreason.engine.openai_compatible import OpenAICompatibleEngine
        from medreason.engine.server_connection import read_key

        return OpenAICompatibleEngine(server, read_key(server))
    from medreason.engine.local import LocalEngine

    return LocalEngine(given.base_model, given.revision, given.quantization, folder, given.adapter)


def evaluate(
    engine: Engine,
    cases: tuple[Case, ...],
    sampling: Sampling,
    at_once: int,
    answers_file: AnswersFile,
    kept: dict[str, Answers],
) -> list[tuple[Case, Answers]]:
    """Ask the cases that `kept` does not hold, several at once; each is on disk as soon as it has been answered.
    Gives all of them in their order."""
    said = dict(kept)
    missing = [case for case in cases if case.case_id not in kept]
    known = {case.case_id: case for case in missing}
    pace, failed = Pace(len(missing)), 0
    questions = [Question(case.case_id, Conversation(case.text), sampling) for case in missing]
    for one in ask_many(engine, questions, engine.state.arms, lambda: at_once):
        case = known[one.key]
        answers_file.put(one.key, [line(case, arm, one, sampling) for arm in one.answers])
        said[one.key] = one.answers
        pace.step()
        tell(len(kept) + pace.done, len(cases), one, pace)
        failed = failed + 1 if one.failed else 0
        if failed >= max(MOST_FAILED, 2 * at_once):
            raise MedReasonError(
                f"{failed} cases in a row failed, the last one because: {fault_of(one)} What was answered is "
                "kept; mend it, then go on with --resume."
            )
    return [(case, said[case.case_id]) for case in cases]


def line(case: Case, arm: Arm, said: Said[str], sampling: Sampling) -> str:
    proof = Provenance(said.models[arm], arm, sampling)
    return json.dumps(row(case, arm, said.answers[arm], proof), ensure_ascii=False)


def tell(number: int, total: int, said: Said[str], pace: Pace) -> None:
    """One line on the terminal: which case has ended and how, and how long the rest may take."""
    ends = ", ".join(f"{arm.label} {answer.finish}" for arm, answer in said.answers.items())
    left = f"; {pace.words}" if pace.words else ""
    print(f"{number} of {total}: {said.key} ({ends}){left}", file=sys.stderr, flush=True)


def fault_of(said: Said[str]) -> str:
    return next(answer.fault for answer in said.answers.values() if answer.fault)


def row(case: Case, arm: Arm, answer: Answer, proof: Provenance) -> dict[str, object]:
    return {
        "case_id": case.case_id,
        "specialty": case.specialty,
        "question": case.text,
        "arm": str(arm),
        "thinking": answer.thinking,
        "answer": answer.text,
        "thought": answer.thought,
        "closed": answer.closed,
        "finish": str(answer.finish),
        "fault": answer.fault,
        "counts": asdict(answer.counts),
        "timings": asdict(answer.timings),
        "provenance": proof.as_dict(),
    }


def thought_then_answered(answer: Answer) -> bool:
    """A trace was opened, holds something, was closed, and an answer followed."""
    return bool(answer.closed and answer.thinking.strip() and answer.text.strip())


def lengths_table(said: list[tuple[Case, Answers]]) -> Iterator[str]:
    """Tokens of thinking and answer, a line a case and one for the average. A case that failed on either
    arm, or whose tokens a server did not tell, is left out of the average, for both arms."""
    arms = list(said[0][1])
    columns = [f"{part} {arm.label.lower()}" for part in ("thinking", "answer") for arm in arms]
    if len(arms) == 2:
        columns[2:2] = ["difference"]
        columns.append("difference")
    width = max(len("average"), *(len(case.case_id) for case, _ in said))
    yield "  ".join(["tokens".ljust(width), *columns])

    def line(name: str, values: list[float], style: str) -> str:
        cells = [format(value, style).rjust(len(head)) for value, head in zip(values, columns, strict=True)]
        return "  ".join([name.ljust(width), *cells])

    whole = []
    for case, answers in said:
        if any(answer.finish is Finish.FAILED for answer in answers.values()):
            yield f"{case.case_id.ljust(width)}  failed"
            continue
        if not all(answer.counted for answer in answers.values()):
            yield f"{case.case_id.ljust(width)}  not told by the server"
            continue
        thinking = [answers[arm].counts.thinking_tokens for arm in arms]
        answer = [answers[arm].counts.answer_tokens for arm in arms]
        values = [float(value) for part in (thinking, answer) for value in with_difference(part)]
        whole.append(values)
        yield line(case.case_id, values, ".0f")
    if whole:
        yield line("average", [sum(column) / len(whole) for column in zip(*whole, strict=True)], ".1f")
        yield f"average over {len(whole)} of {len(said)} cases; difference is fine-tuned minus baseline"


def with_difference(pair: list[int]) -> list[int]:
    return [*pair, pair[1] - pair[0]] if len(pair) == 2 else pair


def summary(said: list[tuple[Case, Answers]]) -> Iterator[str]:
    yield from lengths_table(said)
    counted = []
    for arm in said[0][1]:
        done = sum(thought_then_answered(answers[arm]) for _, answers in said)
        counted.append(f"{arm.label.lower()} {done} of {len(said)}")
    yield f"opens and closes a thinking trace and then answers: {', '.join(counted)}"
    for end in (Finish.LENGTH, Finish.FAILED):
        ended = [
            f"{arm.label.lower()} {sum(answers[arm].finish is end for _, answers in said)}" for arm in said[0][1]
        ]
        word = "cut off at the token budget" if end is Finish.LENGTH else "failed"
        yield f"{word}: {', '.join(ended)}"


def main(arguments: list[str]) -> int:
    given = read_arguments(arguments)
    try:
        server = server_of(given)
        sampling = Sampling(
            seed=given.seed,
            max_new_tokens=given.max_new_tokens,
            temperature=0 if given.greedy else Sampling().temperature,
        )
        if given.limit < 0:
            raise MedReasonError(f"--limit is {given.limit}: give 0 for all cases, or how many.")
        if given.at_once is not None and not 1 <= given.at_once <= MOST_AT_ONCE:
            raise MedReasonError(f"--at-once is {given.at_once}: give a whole number from 1 to {MOST_AT_ONCE}.")
        deck = load_cases(given.cases)
        cases = deck[: given.limit or None]
        if given.out.exists() and not given.resume:
            raise MedReasonError(
                f"{given.out} exists already. Give another --out, remove it, or go on with it by --resume."
            )
        if not given.out.parent.is_dir():
            raise MedReasonError(f"The folder of --out, {given.out.parent}, does not exist. Make it first.")
        if given.adapter is not None:
            read_adapter(given.adapter)  # refused before anything is loaded
        folder = data_folder(given)
        folder.prepare()
        engine = make_engine(given, server, folder)
        engine.load()
        if given.adapter is not None and engine.state.arms != ARMS:
            raise MedReasonError(engine.state.message)
        earlier, resumed = Earlier({}, {}), given.resume and given.out.exists()
        if resumed:
            earlier = read_earlier(given.out, cases, engine.state.arms, sampling, engine.provenance)
            print(f"{len(earlier.answers)} of {len(cases)} cases were answered before.", file=sys.stderr)
        asked = [case.case_id for case in cases if case.case_id not in earlier.answers]
        at_once = given.at_once or engine.at_once
        with AnswersFile(given.out, [case.case_id for case in deck], asked, earlier.lines, resumed) as file:
            said = evaluate(engine, cases, sampling, at_once, file, earlier.answers)
    except MedReasonError as fault:
        print(fault, file=sys.stderr)
        return 2
    except OSError as fault:
        print(f"{given.out} cannot be written ({fault.strerror or fault}).", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(f"Stopped. The cases answered so far are in {given.out}; --resume goes on.", file=sys.stderr)
        return 130
    for text in summary(said):
        print(text)
    return 0


if __name__ == "__main__":
    leave_at_once(main(sys.argv[1:]))
