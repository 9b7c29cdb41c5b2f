"""Taking a typed text out of a study: which one, why, and only after being asked again. For admins."""

from dataclasses import dataclass
from typing import Any

import gradio as gr

from medreason.domain.user import Role, User
from medreason.errors import MedReasonError
from medreason.services.redacting import TypedText
from medreason.services.services import Services
from medreason.ui import render
from medreason.ui.asking import Asking, shown

PRIVATE: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}
ABOUT = (
    '<p class="mr-note">For a text that names somebody after all. It is taken out for good, on every page and in '
    "every export made from now on; its hash, your reason and who did it stay in the audit. Ratings stay as they "
    "are. Files exported before still hold it.</p>"
)
MOST_WORDS = 70


@dataclass
class Redaction:
    """`view` are the components that `shows` fills for a study; the first is the whole part."""

    view: list[Any]
    shows: Any


def build(services: Services, ask: Asking, study: gr.Dropdown) -> Redaction:
    with gr.Accordion("Typed texts", open=False, visible=False) as part:
        gr.Markdown(ABOUT, sanitize_html=False)
        which = gr.Dropdown([], label="Text to take out", info="Cases first, then in the order of typing.")
        text = gr.Textbox("", label="The whole text", lines=3, interactive=False)
        reason = gr.Textbox("", label="Why it is taken out", lines=2, max_length=2000)
        with gr.Row(elem_classes="mr-actions"):
            take = gr.Button("Take this text out", scale=0, min_width=200)
            yes = gr.Button("Yes, take it out for good", visible=False, scale=0, elem_classes="mr-delete")
            no = gr.Button("No", visible=False, scale=0, min_width=100)
        said = gr.Markdown(sanitize_html=False, latex_delimiters=[])
    view = [part, which, text, reason, take, yes, no]

    def asking(now: bool) -> list[Any]:
        return [gr.Button(visible=not now), gr.Button(visible=now), gr.Button(visible=now)]

    def shows(user: User, name: str) -> list[Any]:
        if user.role is not Role.ADMIN:
            return [gr.Accordion(visible=False), *[gr.skip()] * (len(view) - 1)]
        rows = services.settling.typed_texts(user, name) if name else ()
        listed = gr.Dropdown(choices=[_choice(one) for one in rows], value=None, interactive=bool(rows))
        return [gr.Accordion(visible=True), listed, "", "", *asking(False)]

    @shown
    def choose_text(request: gr.Request, name: str, number: int | None) -> list[Any]:
        rows = services.settling.typed_texts(ask.user(request), name)
        return [next((one.text for one in rows if one.id == number), ""), *asking(False)]

    @shown
    def ask_again(number: int | None, why: str) -> list[Any]:
        if number is None or not (why or "").strip():
            words = "Not taken out yet: choose the text and say why. The reason is recorded."
            return [render.fault(words), *asking(False)]
        return [render.fault("The text cannot be brought back. Take it out for good?"), *asking(True)]

    @shown
    def take_out(request: gr.Request, name: str, number: int | None, why: str) -> list[Any]:
        user = ask.user(request)
        try:
            services.settling.redact(user, int(number or 0), why or "")
        except MedReasonError as fault:
            return [render.fault(str(fault)), *[gr.skip()] * len(view)]
        return [render.status("Taken out. Its hash and your reason stay."), *shows(user, name)]

    which.input(choose_text, [study, which], [text, take, yes, no], **PRIVATE)
    take.click(ask_again, [which, reason], [said, take, yes, no], **PRIVATE)
    no.click(lambda: ["", *asking(False)], None, [said, take, yes, no], **PRIVATE)
    yes.click(take_out, [study, which, reason], [said, *view], **PRIVATE)
    return Redaction(view, shows)


def _choice(one: TypedText) -> tuple[str, int]:
    flat = " ".join(one.text.split())
    short = flat if len(flat) <= MOST_WORDS else flat[: MOST_WORDS - 1].rstrip() + "…"
    who = " · ".join(part for part in (one.kind, one.by, one.about) if part)
    return f"{who}: {short}", one.id
