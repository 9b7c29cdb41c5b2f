"""Turns values into what components show. Pure: no service, no state. All free text is escaped here."""

import html

from medreason.domain.answers import Answer, Finish
from medreason.domain.arms import Arm, Side
from medreason.domain.provenance import ModelProvenance
from medreason.engine.protocol import EngineState, Phase
from medreason.services.live_pair import PairView, SideView

Frame = list[dict[str, object]]


def status(text: str) -> str:
    return f'<div class="mr-status" role="status">{html.escape(text)}</div>' if text else ""


def fault(text: str) -> str:
    return f'<div class="mr-status mr-fault" role="alert">{html.escape(text)}</div>'


def model_name(model: ModelProvenance) -> str:
    """The base model in a word; the embedded one has its real name as its revision."""
    if model.base_model == "embedded":
        return model.base_revision
    return model.base_model.rstrip("/").rsplit("/", 1)[-1]


def model_ready(state: EngineState, model: ModelProvenance) -> str:
    """What answers, in one line, with the self-test's finding behind a fold."""
    if Arm.FINETUNED not in state.arms:
        return fault(f"{state.message} Only the baseline, {model_name(model)}, can be asked.")
    return (
        '<details class="mr-ready"><summary>Ready. Self-test passed: the baseline is the untouched '
        f"{html.escape(model_name(model))}, and the adapter changes it.</summary>"
        f'<p class="mr-note">{html.escape(model.self_test)} Computed in {html.escape(model.precision)}.</p>'
        "</details>"
    )


def model_state(state: EngineState) -> str:
    """One line on a model that is not ready: a bar while it loads, the reason when it failed."""
    if state.phase is Phase.FAILED:
        return fault(state.message)
    percent = round(state.progress * 100)
    return (
        f'<div class="mr-status" role="status">{html.escape(state.message)}'
        f'<div class="mr-bar" role="progressbar" aria-label="Loading the models" aria-valuenow="{percent}"'
        f' aria-valuemin="0" aria-valuemax="100"><span style="width:{percent}%"></span></div></div>'
    )


def heading(side: Side, arm: Arm | None, detail: str = "") -> str:
    """Head of one column: the arm where it may be known, else the side."""
    name = arm.label if arm else side.label
    kind = f" {arm}" if arm else ""
    note = f'<span class="mr-note">{html.escape(detail)}</span>' if arm and detail else ""
    return f'<div class="mr-arm{kind}"><b>{name}</b>{note}</div>'


def _seconds(value: float) -> str:
    return f"{value:.0f} s" if value >= 1 else "under a second"


def _thought_title(view: SideView) -> str:
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


def messages(question: str, view: SideView) -> Frame:
    """One turn of one column as a chatbot takes it."""
    answer = view.answer
    turn: Frame = [{"role": "user", "content": question}]
    if answer.thought:
        pending = not answer.closed and not view.done
        turn.append(
            {
                "role": "assistant",
                "content": answer.thinking or "…",
                "metadata": {
                    "title": _thought_title(view),
                    "status": "pending" if pending else "done",
                },
            }
        )
    if answer.text:
        turn.append({"role": "assistant", "content": answer.text})
    return turn


def _ended(answer: Answer) -> str:
    match answer.finish:
        case Finish.FAILED:
            return answer.fault
        case Finish.CANCELLED:
            return "Stopped; what was said is kept."
        case Finish.LENGTH:
            where = "inside its thinking" if answer.thought and not answer.closed else "inside its answer"
            return f"Cut off at the longest allowed length, {where}."
    return ""


def under(view: SideView) -> str:
    """The line below a column: how the answer goes or how it ended; figures only where the arm is known."""
    answer = view.answer
    if not view.done:
        return '<div class="mr-under">' + ("Answering…" if view.started else "Waiting for the model…") + "</div>"
    parts = [_ended(answer)]
    if view.arm is not None:
        if not answer.thought and answer.text:
            parts.append("No thinking trace.")
        total = answer.counts.thinking_tokens + answer.counts.answer_tokens
        if total and answer.timings.total_s:
            thinking = f"{answer.counts.thinking_tokens:,} tokens of thinking + " if answer.thought else ""
            parts.append(
                f"{thinking}{answer.counts.answer_tokens:,} tokens of answer · "
                f"{total / answer.timings.total_s:.0f} a second · first after {answer.timings.first_token_s:.1f} s"
            )
    kind = "mr-under mr-fault" if answer.finish is Finish.FAILED else "mr-under"
    return f'<div class="{kind}">{html.escape(" ".join(part for part in parts if part))}</div>'


def column(earlier: list[PairView], now: PairView | None, side: Side) -> Frame:
    """All turns of one column."""
    turns = [*earlier, *([now] if now else [])]
    return [message for turn in turns for message in messages(turn.question, turn.side(side))]
