"""One side of a pair as components show it: its head, its words, how it ended, and what produced it.

Pure: no service, no state. What stands in HTML is escaped here. An answer is shown as Markdown with every tag in
it as plain text. A trace goes to the page's own script as an attribute, so that it stays text whatever is in it,
and so that a long one is appended to and never drawn anew.
"""

import html
import json
import re
from collections.abc import Sequence

from medreason.domain.answers import Answer, Finish
from medreason.domain.arms import SIDES, Arm, Side
from medreason.domain.provenance import Provenance
from medreason.services.pair_view import PairView, SideView
from medreason.ui.render import model_name

Frame = list[dict[str, object]]
TAG, IMAGE = re.compile("<(?=[A-Za-z/!?])"), re.compile(r"!(?=\[)")
DIAGRAM = re.compile(r"((?:`{3,}|~{3,})[ \t]*)mermaid", re.IGNORECASE)

# Characters of a growing trace that a frame carries: some seconds of the quickest model, so that a page which
# misses a few frames misses no word.
CARRIED = 6000

HIDDEN = "Hidden until your rating of this pair is in, so that nothing tells the sides apart."
NOT_YET = "Shown when the answer is complete."
NOT_NAMED = "Who compares blind is told which side was the fine-tuned model, and not the names of the models."
KEPT_HERE = "Version {} of {}. The others are under “Other versions of earlier questions”."
NOTHING_ASKED = "Shown when a question has been answered."


def heading(side: Side, arm: Arm | None, detail: str = "") -> str:
    """Head of one column: the arm where it may be known, else the side."""
    name = arm.label if arm else side.label
    kind = f" {arm}" if arm else ""
    note = f'<span class="mr-note">{html.escape(detail)}</span>' if arm and detail else ""
    return f'<div class="mr-arm{kind}"><b>{name}</b>{note}</div>'


def switch(label: str) -> str:
    """On a narrow screen, the choice to look at one side alone of the pair that follows; `label` tells two such
    choices apart."""
    names = {"both": "Both sides", "left": "Left", "right": "Right"}
    buttons = "".join(
        f'<button type="button" data-show="{show}" aria-pressed="{"true" if show == "both" else "false"}">'
        f"{name}</button>"
        for show, name in names.items()
    )
    return f'<div class="mr-switch" role="group" aria-label="{html.escape(label)}">{buttons}</div>'


def _seconds(value: float) -> str:
    return f"{value:.0f} s" if value >= 1 else "under a second"


def thought_title(view: SideView) -> str:
    answer = view.answer
    if not answer.closed and not view.done:
        # Seconds while blind would tell the arms apart by their speed.
        return "Thinking…" if view.arm is None else f"Thinking… {view.thinking_s:.0f} s"
    if not answer.closed:
        return "Thinking, not finished"
    if view.arm is None:
        return "Thought"
    tokens = f" · {answer.counts.thinking_tokens:,} tokens" if answer.counts.thinking_tokens else ""
    return f"Thought for {_seconds(view.thinking_s)}{tokens}"


def question(pair: PairView | None) -> str:
    """What was asked, once for both sides."""
    if pair is None:
        return ""
    number = f"Question {pair.turn}" if pair.turn > 1 else "Question"
    return f'<div class="mr-asked"><b>{number}</b><p>{line(pair.question)}</p></div>'


def carrier(pair: PairView | None) -> str:
    """What the page's script draws of both sides: the trace, and the line below the answer."""
    return "".join(_carried(pair, side, number) for number, side in enumerate(SIDES, 1))


def _carried(pair: PairView | None, side: Side, number: int) -> str:
    values = {**trace(pair, side), **ending(pair, side)} if pair is not None else {}
    written = "".join(f' data-{name}="{line(value)}"' for name, value in values.items())
    return f'<div class="mr-carried" data-side="{number}"{written}></div>'


def trace(pair: PairView, side: Side) -> dict[str, str]:
    """The thinking of one side; nothing where there is none. `key` is the same for all versions of a turn, so that
    what a reader has opened stays open. A trace that has not come to its end stays open by itself.

    While a long one grows only its end is carried, `from` so many UTF-16 units on, since the page has the rest."""
    view = pair.side(side)
    if not view.answer.thought:
        return {}
    text = view.answer.thinking
    since = 0 if view.done or view.answer.closed or len(text) < 2 * CARRIED else len(text) - CARRIED
    return {
        "from": str(len(text[:since].encode("utf-16-le")) // 2),
        "key": f"{pair.conversation_id}-{pair.turn}",
        "open": "no" if view.answer.closed else "yes",
        "title": thought_title(view),
        "text": text[since:],
    }


def answer(pair: PairView | None, side: Side) -> str:
    """The answer as Markdown."""
    return harmless(pair.side(side).answer.text) if pair is not None else ""


def harmless(text: str) -> str:
    """Markdown without HTML, with a link in place of each image, and diagrams as the text they are written in: no
    answer may fetch or cover anything, or bring styles of its own."""
    return DIAGRAM.sub(r"\1text", IMAGE.sub(r"\\!", TAG.sub("&lt;", text)))


def line(text: str) -> str:
    """Text inside a block of HTML. Markdown ends such a block at an empty line, so line ends are written as
    characters."""
    return html.escape(text).replace("\r", "").replace("\n", "&#10;")


def messages(asked: str, view: SideView) -> Frame:
    """An earlier turn of one column as a chatbot takes it."""
    said = view.answer
    turn: Frame = [{"role": "user", "content": harmless(asked)}]
    if said.thought:
        meta = {"title": thought_title(view), "status": "done"}
        turn.append({"role": "assistant", "content": harmless(said.thinking) or "…", "metadata": meta})
    if said.text:
        turn.append({"role": "assistant", "content": harmless(said.text)})
    return turn


def column(earlier: Sequence[PairView], side: Side) -> Frame:
    """The turns before the last one; of a turn with several versions, which one this is. That stands above the
    question, where no fence that the question leaves open can take it in."""
    said: Frame = []
    for turn in earlier:
        asked, *answered = messages(turn.question, turn.side(side))
        if turn.versions > 1:
            asked["content"] = f"*{KEPT_HERE.format(turn.version, turn.versions)}*\n\n{asked['content']}"
        said += [asked, *answered]
    return said


def badges(pair: PairView, side: Side) -> list[str]:
    """How one side ended, in words; nothing where it simply came to its end."""
    view = pair.side(side)
    answer = view.answer
    inside = "inside its thinking" if answer.thought and not answer.closed else "inside its answer"
    said = []
    match answer.finish:
        case Finish.CANCELLED:
            said.append("stopped by you")
        case Finish.LENGTH:
            said.append(f"cut off at {pair.sampling.max_new_tokens:,} tokens, {inside}")
        case Finish.STOP if not answer.text.strip():
            said.append("ended without an answer")
    if not answer.thought and answer.text:
        said.append("no thinking trace")
    if view.provenance is not None and view.provenance.continued_at:
        said.append("continued")
    return said


def ending(pair: PairView, side: Side) -> dict[str, str]:
    """The line below a side: how the answer goes, or how it ended; figures only where the arm is known."""
    view = pair.side(side)
    if not view.done:
        return {"going": _going(pair, view)}
    return {
        "fault": view.answer.fault,
        "badges": json.dumps(badges(pair, side)),
        "figures": _figures(view.answer) if view.arm is not None else "",
    }


def _going(pair: PairView, view: SideView) -> str:
    if pair.blinded:
        return "Both sides appear together." if not view.started else "Showing both sides…"
    return "Answering…" if view.started else "Waiting for the model…"


def _figures(answer: Answer) -> str:
    total = answer.counts.said
    if not answer.counted and answer.finish in (Finish.STOP, Finish.LENGTH):
        return f"Tokens not told by the server · first after {answer.timings.first_token_s:.1f} s"
    if not total or not answer.timings.total_s or not answer.counted:
        return ""
    thinking = f"{answer.counts.thinking_tokens:,} tokens of thinking + " if answer.thought else ""
    return (
        f"{thinking}{answer.counts.answer_tokens:,} tokens of answer · "
        f"{total / answer.timings.total_s:.0f} a second · first after {answer.timings.first_token_s:.1f} s"
    )


def what_answered(pair: PairView | None, side: Side) -> str:
    """Everything that is known of what produced one side, as a table; why not, where it may not be known."""
    if pair is None:
        return f'<p class="mr-note">{NOTHING_ASKED}</p>'
    if pair.blinded:
        return f'<p class="mr-note">{HIDDEN}</p>'
    view = pair.side(side)
    if view.provenance is None:
        return f'<p class="mr-note">{NOT_NAMED if view.arm and pair.done else NOT_YET}</p>'
    rows = "".join(
        f'<tr><th scope="row">{html.escape(name)}</th><td>{html.escape(value)}</td></tr>'
        for name, value in facts(view.provenance, view.answer)
        if value
    )
    name = f"What answered on the {side.value}"
    return f'<table class="mr-table mr-facts" aria-label="{name}"><tbody>{rows}</tbody></table>'


def facts(proof: Provenance, answer: Answer) -> list[tuple[str, str]]:
    """Name and value of each fact; an empty value is one that does not apply."""
    model, counts, timings = proof.model, answer.counts, answer.timings
    adapter = "none: the base model as it is"
    if proof.adapter_active:
        at = f", step {model.adapter_step:,}" if model.adapter_step else ""
        adapter = f"{model.adapter}{at}{_hashed(model.adapter_sha256)}" if model.adapter else "none was loaded"
    first = f"{timings.first_token_s:.2f} s" if timings.first_token_s else ""
    counted = answer.counted and counts.said and timings.total_s
    speed = f"{counts.said / timings.total_s:.1f} tokens a second" if counted else ""
    asked = proof.sampling
    continued = ", ".join(f"{at:,}" for at in proof.continued_at)
    return [
        ("Model", f"{model_name(model)}{_hashed(model.base_sha256)}"),
        ("Revision", model.base_revision or "not stated"),
        ("Precision", model.precision),
        ("Adapter", adapter),
        ("Chat template", model.template_sha256[:12] or "the server's own"),
        ("Time to first token", first),
        ("Thinking", _tokens(counts.thinking_tokens, answer.counted) if answer.thought else "none"),
        ("Answer", _tokens(counts.answer_tokens, answer.counted)),
        ("Question and earlier turns", f"{counts.prompt_tokens:,} tokens" if counts.prompt_tokens else ""),
        ("Speed", speed),
        ("Continued", f"after {continued} tokens" if continued else ""),
        (
            "Sampling",
            f"{'thinking asked for' if asked.thinking else 'no thinking asked for'}, temperature "
            f"{asked.temperature:g}, top-p {asked.top_p:g}, top-k {asked.top_k}, min-p {asked.min_p:g}, "
            f"seed {asked.seed}, at most {asked.max_new_tokens:,} tokens",
        ),
        ("System prompt", proof.system_prompt),
        ("Engine", ", ".join([model.engine, *(f"{name} {value}" for name, value in model.versions.items())])),
        ("Self-test", model.self_test),
        ("As claimed by", model.claimed_by),
    ]


def _hashed(sha256: str) -> str:
    return f" (weights {sha256[:12]})" if sha256 else ""


def _tokens(count: int, counted: bool) -> str:
    return f"{count:,} tokens" if counted else "tokens not told by the server"


def next_step(pair: PairView, can_rate: bool = True) -> str:
    """What to do now that both sides have ended. `can_rate`: whether the reader's role rates."""
    if not can_rate:
        begun = "Done" if pair.whole else "An answer was stopped or failed"
        going_on = "press Continue to let it come to its end, " if pair.can_continue else ""
        return f"{begun}. To go on, {going_on}ask a further question, or press Regenerate."
    if not pair.whole and not pair.continuable:
        return "An answer was stopped or failed, so this pair cannot be rated. Press Regenerate, or ask again."
    if not pair.whole:
        return (
            "An answer was stopped or failed, so this pair cannot be rated yet. Press Continue to let both come "
            "to their end, or ask again."
        )
    cut = " A side was cut off: press Continue to let it come to its end." if pair.can_continue else ""
    if pair.blinded:
        return f"Done. Press Rate this pair: which side is which is shown when the rating is in.{cut}"
    return f"Done. Press Rate this pair, or ask a further question.{cut}"


def version_note(pair: PairView | None) -> str:
    """Which version of the last question is shown, where there are several."""
    if pair is None or pair.versions < 2:
        return ""
    how = ", continued" if pair.continued else ""
    return f'<div class="mr-version" role="status">Version {pair.version} of {pair.versions}{how}</div>'
