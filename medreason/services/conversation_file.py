"""A conversation as a file: Markdown for people, JSON for programs.

While a pair is blind and unrated, its sides are called Left and Right and nothing tells what produced them. In
Markdown everything a model or a person wrote stands in a quoted code block, so that it can neither end the block
nor become a heading, a link or HTML of the file.
"""

import json
import re
from collections.abc import Sequence
from dataclasses import asdict

import medreason
from medreason.domain.answers import Answer, Finish
from medreason.domain.arms import SIDES
from medreason.services.pair_view import PairView, SideView

# Line ends by which some reader of Markdown might end a line that we did not.
LINE_ENDS = re.compile("\r\n|[\r\x0b\x0c\x1c-\x1e\x85\u2028\u2029]")


def markdown(pairs: Sequence[PairView]) -> str:
    """All versions in order, each side with its thinking, answer, ending and, where it may be known, origin."""
    lines = ["# MedReason: a conversation with two models", "", "For research. Not medical advice.", ""]
    for pair in pairs:
        version = f", version {pair.version} of {pair.versions}" if pair.versions > 1 else ""
        lines += [f"## Question {pair.turn}{version}", "", f"Asked {pair.created_at}.", "", *_block(pair.question)]
        if pair.system_prompt:
            lines += ["System prompt, the same for both:", "", *_block(pair.system_prompt)]
        lines += [_sampling(pair), ""]
        for side in SIDES:
            lines += _side(pair, pair.side(side))
    return "\n".join(lines).rstrip("\n") + "\n"


def json_text(pairs: Sequence[PairView]) -> str:
    """One object: `turns`, each with its question, settings and both sides; what may not be known is absent."""
    content = {
        "program": f"MedReason {medreason.__version__}",
        "conversation": pairs[0].conversation_id if pairs else None,
        "turns": [_pair_values(pair) for pair in pairs],
    }
    return json.dumps(content, ensure_ascii=False, indent=2, allow_nan=False) + "\n"


def _pair_values(pair: PairView) -> dict[str, object]:
    return {
        "turn": pair.turn,
        "version": pair.version,
        "of_versions": pair.versions,
        "continued": pair.continued,
        "asked_at": pair.created_at,
        "case_id": pair.case_id or None,
        "question": pair.question,
        "system_prompt": pair.system_prompt,
        "sampling": asdict(pair.sampling),
        "blinded": pair.blinded,
        "left": _side_values(pair.left),
        "right": _side_values(pair.right),
    }


def _side_values(view: SideView) -> dict[str, object]:
    answer = view.answer
    said: dict[str, object] = {
        "thinking": answer.thinking,
        "answer": answer.text,
        "thinking_finished": answer.closed,
        "finish": str(answer.finish),
        "fault": answer.fault,
    }
    if view.arm is None:
        return said
    known = {"arm": str(view.arm), "counts": asdict(answer.counts), "timings": asdict(answer.timings)}
    return {**said, **known, **({"provenance": view.provenance.as_dict()} if view.provenance else {})}


def _side(pair: PairView, view: SideView) -> list[str]:
    name = view.arm.label if view.arm else view.side.label
    lines = [f"### {name}", ""]
    if view.answer.thinking:
        lines += ["Thinking:", "", *_block(view.answer.thinking)]
    lines += ["Answer:", "", *_block(view.answer.text or "(none)"), _ending(view.answer), ""]
    if view.provenance is not None:
        lines += [
            "What answered:",
            "",
            *_block(json.dumps(view.provenance.as_dict(), ensure_ascii=False, indent=1)),
        ]
    return lines


def _ending(answer: Answer) -> str:
    match answer.finish:
        case Finish.STOP:
            return "Ended by itself."
        case Finish.LENGTH:
            return "Cut off at the longest allowed length."
        case Finish.CANCELLED:
            return "Stopped."
    return "Ended by a fault."


def _sampling(pair: PairView) -> str:
    one = pair.sampling
    thinking = "asked to think" if one.thinking else "not asked to think"
    return (
        f"Both sides: {thinking}, temperature {one.temperature:g}, top-p {one.top_p:g}, top-k {one.top_k}, "
        f"min-p {one.min_p:g}, seed {one.seed}, at most {one.max_new_tokens:,} tokens."
    )


def _block(text: str) -> list[str]:
    """A fenced block whose fence is longer than any run of backticks inside."""
    longest = max((len(run) for run in re.findall("`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return [f"{fence}text", *LINE_ENDS.sub("\n", text).split("\n"), fence, ""]
