"""Ask a base model one case in thinking mode, before anything is trained: what does the machine have, and what
does the model say on its own?

Prints a table of the environment, then thinking and answer as they come. The same seed gives the same answer
again on the same machine.
"""

import argparse
import json
import platform
import sys
from dataclasses import asdict
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from medreason.arguments import Parser, data_folder  # noqa: E402
from medreason.domain.answers import Answer, Finish  # noqa: E402
from medreason.domain.arms import Arm  # noqa: E402
from medreason.domain.conversation import Conversation  # noqa: E402
from medreason.domain.estimate import Machine  # noqa: E402
from medreason.domain.events import AnswerText, Draft, Event, ThinkingText  # noqa: E402
from medreason.domain.provenance import Provenance  # noqa: E402
from medreason.domain.sampling import Sampling  # noqa: E402
from medreason.errors import MedReasonError  # noqa: E402
from medreason.finetune.manifest import versions  # noqa: E402
from medreason.leaving import leave_at_once  # noqa: E402
from medreason.models.base import resolve_base  # noqa: E402
from medreason.models.machine import ThisMachine  # noqa: E402

QUESTION = (
    "A 58-year-old man comes in sweating, with pressure behind the breastbone for 50 minutes that goes into "
    "his jaw, "
    "and with nausea. His pulse is 52, his blood pressure 98/60 mmHg. The electrocardiogram shows ST "
    "elevation in II, "
    "III and aVF, more in III than in II, and ST depression in I and aVL. What is going on, where is the "
    "blockage, and "
    "what would you do and avoid first? Number each step of your reasoning, and finish with a diagnosis of "
    "one line."
)
LONGEST_PROMPT = 100_000
GIB = 1024**3


def parser() -> argparse.ArgumentParser:
    usual = Sampling()
    top = Parser(prog="baseline.py", description=__doc__)
    top.add_argument("--model", required=True, metavar="ID|PATH", help="embedded, auto, a hub id, or a folder")
    top.add_argument("--revision", default="", help="hub revision of the model")
    top.add_argument("--quantization", default="none", choices=("auto", "none", "nf4"), help="default %(default)s")
    top.add_argument("--prompt", type=Path, metavar="FILE", help="text file of another question (UTF-8)")
    top.add_argument("--max-new-tokens", type=int, default=6000, help="thinking included (default %(default)s)")
    top.add_argument("--temperature", type=float, default=usual.temperature, help="default %(default)s")
    top.add_argument("--top-p", type=float, default=usual.top_p, help="default %(default)s")
    top.add_argument("--seed", type=int, default=usual.seed, help="default %(default)s")
    top.add_argument("--greedy", action="store_true", help="always the likeliest token, no sampling")
    top.add_argument("--out", type=Path, metavar="FILE", help="also write all of it as JSON; must not exist yet")
    top.add_data_dir()
    return top


def main(words: list[str]) -> int:
    options = parser().parse_args(words)
    try:
        sampling = Sampling(
            temperature=0 if options.greedy else options.temperature,
            top_p=options.top_p,
            seed=options.seed,
            max_new_tokens=options.max_new_tokens,
        )
        question = read_prompt(options.prompt) if options.prompt else QUESTION
        conversation = Conversation(question)
        refuse_out(options.out)
        folder = data_folder(options)
        if options.model != "auto":
            resolve_base(options.model, options.revision, folder, "none")  # refused before anything is made
        folder.prepare()
        environment = facts(ThisMachine(folder.root)())
        print("\n".join(f"{name:<22}{value}" for name, value in environment.items()), flush=True)
        from medreason.engine.local import LocalEngine

        engine = LocalEngine(options.model, options.revision, options.quantization, folder, None)
        engine.load()
        loaded = engine.provenance
        print(f"{'model':<22}{loaded.base_model}, {loaded.base_revision or 'no revision'}, {loaded.precision}")
        print(f"\nQuestion\n{question}", flush=True)
        draft, shown = Draft(Arm.BASELINE), Shown()
        for event in engine.ask_pair(conversation, sampling, lambda: False):
            draft.take(event)
            shown.take(event)
        answer = draft.answer()
        proof = Provenance(engine.provenance, Arm.BASELINE, sampling)
        if options.out:
            write(options.out, environment, question, answer, proof)
    except MedReasonError as fault:
        print(fault, file=sys.stderr)
        return 2
    except OSError as fault:
        print(f"{options.out} cannot be written ({fault.strerror or fault}).", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("\nStopped.", file=sys.stderr)
        return 130
    if answer.finish is Finish.FAILED:
        print(f"\n{answer.fault}", file=sys.stderr)
        return 1
    print(summary(answer))
    return 0


def read_prompt(path: Path) -> str:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as fault:
        why = getattr(fault, "strerror", "") or "it is not UTF-8 text"
        raise MedReasonError(f"The prompt {path} cannot be read ({why}). Give a text file.") from fault
    if not text.strip() or len(text) > LONGEST_PROMPT:
        raise MedReasonError(f"The prompt {path} must hold 1 to {LONGEST_PROMPT:,} characters.")
    return text.strip()


def refuse_out(out: Path | None) -> None:
    if out is not None and out.exists():
        raise MedReasonError(f"{out} exists already. Give another --out, or remove it.")
    if out is not None and not out.parent.is_dir():
        raise MedReasonError(f"The folder of --out, {out.parent}, does not exist. Make it first.")


def facts(machine: Machine) -> dict[str, str]:
    """The environment as words, by name."""
    gpu = (
        f"{machine.gpus} × {machine.gpu_name}, {machine.gpu_memory_free / GIB:.1f} of "
        f"{machine.gpu_memory / GIB:.1f} GiB free"
        if machine.gpus
        else "none found"
    )
    return {
        "system": f"{platform.system()} {platform.machine()}",
        "GPU": gpu,
        "cores": str(machine.cores),
        "memory": f"{machine.memory / GIB:.1f} GiB",
        "disk free": f"{machine.disk_free / GIB:,.1f} GiB",
        **versions(),
    }


class Shown:
    """Prints thinking and answer as they come, each below its heading."""

    def __init__(self) -> None:
        self.part: type | None = None

    def take(self, event: Event) -> None:
        if not isinstance(event, ThinkingText | AnswerText):
            return
        if type(event) is not self.part and event.text:
            self.part = type(event)
            print(f"\n\n{'Thinking' if isinstance(event, ThinkingText) else 'Answer'}")
        print(event.text, end="", flush=True)


def summary(answer: Answer) -> str:
    ends = {
        Finish.STOP: "The model ended its answer itself.",
        Finish.LENGTH: "The answer was cut off at --max-new-tokens.",
        Finish.CANCELLED: "The answer was stopped.",
    }
    counts, times = answer.counts, answer.timings
    tokens = counts.thinking_tokens + counts.answer_tokens
    speed = f", {tokens / times.total_s:.1f} tokens/s" if times.total_s else ""
    return (
        f"\n\n{ends[answer.finish]} {counts.thinking_tokens:,} tokens of thinking, {counts.answer_tokens:,} of "
        "answer "
        f"after a prompt of {counts.prompt_tokens:,}, in {times.total_s:.1f} s{speed}."
    )


def write(out: Path, environment: dict[str, str], question: str, answer: Answer, proof: Provenance) -> None:
    told = {
        "environment": environment,
        "question": question,
        "thinking": answer.thinking,
        "answer": answer.text,
        "finish": str(answer.finish),
        "counts": asdict(answer.counts),
        "timings": asdict(answer.timings),
        "provenance": proof.as_dict(),
    }
    out.write_text(json.dumps(told, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    leave_at_once(main(sys.argv[1:]))
