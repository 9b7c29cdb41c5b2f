"""Turns values into what components show. Pure: no service, no state. All free text is escaped here."""

import html

from medreason.domain.arms import Arm
from medreason.domain.provenance import ModelProvenance
from medreason.engine.protocol import EngineState, Phase


def status(text: str) -> str:
    return f'<div class="mr-status" role="status">{html.escape(text)}</div>' if text else ""


def fault(text: str) -> str:
    return f'<div class="mr-status mr-fault" role="alert">{html.escape(text)}</div>'


def working(text: str, share: float | None) -> str:
    """What is being done, with a bar where it is known how far it is."""
    bar = ""
    if share is not None:
        percent = round(100 * max(0.0, min(1.0, share)))
        bar = (
            f'<div class="mr-bar" role="progressbar" aria-label="How far it is" aria-valuenow="{percent}" '
            f'aria-valuemin="0" aria-valuemax="100"><span style="width:{percent}%"></span></div>'
        )
    return f'<div class="mr-status" role="status">{html.escape(text)}{bar}</div>'


def model_name(model: ModelProvenance) -> str:
    """The base model in a word; the embedded one has its real name as its revision."""
    if model.base_model == "embedded":
        return model.base_revision
    return model.base_model.rstrip("/").rsplit("/", 1)[-1]


def model_ready(state: EngineState, model: ModelProvenance) -> str:
    """What answers, in one line, with the self-test's finding behind a fold."""
    if Arm.FINETUNED not in state.arms:
        return fault(f"{state.message} Only the baseline, {model_name(model)}, can be asked.")
    if model.claimed_by:
        # Nothing of the weights was seen here, so nothing of them is said as a fact.
        return (
            '<details class="mr-ready"><summary>Ready. Self-test passed: the two names answer differently. That '
            f"they are {html.escape(model_name(model))} and its fine-tuned model is as claimed by "
            f'{html.escape(model.claimed_by)}.</summary><p class="mr-note">{html.escape(model.self_test)} '
            f"Precision: {html.escape(model.precision)}.</p></details>"
        )
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
    if state.phase is Phase.UNLOADED:
        return status(state.message)
    percent = round(state.progress * 100)
    return (
        f'<div class="mr-status" role="status">{html.escape(state.message)}'
        f'<div class="mr-bar" role="progressbar" aria-label="Loading the models" aria-valuenow="{percent}"'
        f' aria-valuemin="0" aria-valuemax="100"><span style="width:{percent}%"></span></div></div>'
    )
