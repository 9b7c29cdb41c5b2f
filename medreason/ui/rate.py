"""The Rate tab: pick a pair, read both sides, score them, save; then the sides are told.

Whatever the page gets about a pair comes from `services.rating`, which leaves the arms out until the
rating is stored. The open pair, the form's key and its person are in hidden text boxes, not in the
session, so that saving still works after the server was restarted under an open page. `person` is whose
saved rating the form shows, or empty.
"""

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import gradio as gr

from medreason.domain.arms import SIDES, Side
from medreason.domain.instrument import SCALES
from medreason.domain.rating import LONGEST_COMMENT
from medreason.errors import MedReasonError
from medreason.services.services import Services
from medreason.ui import pair_view, render
from medreason.ui.asking import Asking, shown

UNCHANGED = gr.skip()
PRIVATE: dict[str, Any] = {"api_visibility": "private"}


@dataclass
class RateTab:
    """What page.py wires. `show(request, pair_id, name)` opens a pair for whoever is named in `name`;
    `refresh(request, name, pair)` brings the list up to date when the tab is opened."""

    name: gr.Textbox
    pair: gr.Textbox
    show: Callable[..., Any]
    show_outputs: list[Any]
    refresh: Callable[..., Any]
    refresh_outputs: list[Any]
    restore: Callable[..., Any]
    restore_outputs: list[Any]


def build(services: Services, ask: Asking) -> RateTab:
    with gr.Row(elem_classes="rate-top"):
        name = gr.Textbox(
            "",
            label="Who is rating?",
            info="Your name stays in this program. Exports only show a pseudonym such as R01.",
            max_length=64,
            elem_id="rater-name",
            scale=1,
        )
        picker = gr.Dropdown(
            [], value=None, label="Waiting to be rated", info="Newest first.", elem_id="rate-list", scale=2
        )
    empty = gr.Markdown(pair_view.NOTHING_WAITS, sanitize_html=False)
    pair = gr.Textbox("", visible="hidden", elem_id="rate-open")
    key = gr.Textbox("", visible="hidden", elem_id="rate-key")
    person = gr.Textbox("", visible="hidden", elem_id="rate-person")
    with gr.Column(visible=False, elem_classes="rate-form") as form:
        case = gr.Markdown(sanitize_html=False, latex_delimiters=[], container=False)
        columns: dict[Side, list[gr.Markdown]] = {}
        scales: list[gr.Radio] = []
        with gr.Row(elem_classes="mr-pair rate-pair", equal_height=True):
            for side in SIDES:
                with gr.Column():
                    columns[side] = [
                        gr.Markdown(sanitize_html=False, latex_delimiters=[], elem_classes=part)
                        for part in ("rate-head", "rate-thinking", "rate-answer", "rate-ending")
                    ]
                    with gr.Column(elem_classes="rate-scales"):
                        scales += [
                            gr.Radio(
                                pair_view.CHOICES[axis],
                                value=None,
                                label=pair_view.label(side, axis),
                                info=scale.hint,
                                elem_classes="rate-scale",
                            )
                            for axis, scale in SCALES.items()
                        ]
        preference = gr.Radio(
            pair_view.PREFERENCE,
            value=None,
            label="Which answer is better, all in all?",
            elem_classes="rate-scale rate-preference",
        )
        comment = gr.Textbox(
            "",
            label="Comment",
            info="Optional. Do not enter what identifies a patient.",
            lines=2,
            max_lines=8,
            max_length=LONGEST_COMMENT,
        )
    status = gr.Markdown(sanitize_html=False, elem_id="rate-status")
    with gr.Row(elem_classes="rate-actions", visible=False) as actions:
        save = gr.Button("Save rating", variant="primary", elem_classes="rate-save")
        following = gr.Button("Next pair", visible=False)
        gr.Markdown(
            '<div class="mr-note">Keys in a scale: 1–5, 0 for cannot judge, arrows, Enter to go on.</div>',
            sanitize_html=False,
        )

    answers = scales + [preference, comment]
    heads = [columns[side][0] for side in SIDES]
    bodies = [part for side in SIDES for part in columns[side]]
    opened = [picker, empty, form, actions, following, status, pair, key, person, case, *bodies, *answers]

    def waiting(request: gr.Request, rater: str) -> list[tuple[str, int]]:
        return [pair_view.choice(one) for one in services.rating.waiting(ask.user(request), rater)]

    def listed(choices: list[tuple[str, int]], pair_id: int | None) -> gr.Dropdown:
        """The list; the open pair shows in it only while it waits."""
        value = pair_id if pair_id in [value for _, value in choices] else None
        return gr.Dropdown(
            choices=choices,
            value=value,
            label=f"Waiting to be rated ({len(choices)})",
            interactive=bool(choices),
        )

    def open_pair(request: gr.Request, pair_id: int, rater: str, said: str = "") -> list[Any]:
        """Updates of `opened` that show a pair with an empty form, or with what this rater gave before."""
        view = services.rating.open(ask.user(request), pair_id, rater)
        if view.previous is not None and not said:
            said = (
                f"You rated this pair (revision {view.revision_no}). Saving a change adds revision "
                f"{view.revision_no + 1} and keeps the first."
            )
        parts = [
            part
            for side in SIDES
            for part in (
                pair_view.head(side, view.sides),
                pair_view.thinking(side, view.answer(side)),
                pair_view.answer(view.answer(side)),
                pair_view.ending(view.answer(side)),
            )
        ]
        return [
            listed(waiting(request, rater), pair_id),
            gr.Markdown(visible=False),
            gr.Column(visible=True),
            gr.Row(visible=True),
            gr.Button(visible=False),
            render.status(said),
            str(pair_id),
            secrets.token_hex(16),
            rater.strip() if view.previous else "",
            pair_view.case_text(view),
            *parts,
            *pair_view.filled(view.previous),
            view.previous.comment if view.previous else "",
        ]

    def nothing_open(choices: list[tuple[str, int]]) -> list[Any]:
        hidden = [gr.Column(visible=False), gr.Row(visible=False), UNCHANGED, "", "", "", ""]
        blank = [UNCHANGED] * (len(opened) - len(hidden) - 2)
        return [listed(choices, None), gr.Markdown(visible=True), *hidden, *blank]

    def refused(fault: MedReasonError) -> list[Any]:
        """Only the status changes, so that nothing given is lost."""
        updates = [UNCHANGED] * len(opened)
        updates[opened.index(status)] = render.fault(str(fault))
        return updates

    @shown
    def show(request: gr.Request, pair_id: Any, rater: str | None = None) -> list[Any]:
        """Open a pair chosen elsewhere; without a name, for whoever rated last."""
        if not pair_id:
            return [UNCHANGED] * len(opened)
        if rater is None:
            rater = services.rating.last_rater_name(ask.user(request))
        try:
            return open_pair(request, int(pair_id), rater)
        except MedReasonError as fault:
            return refused(fault)

    @shown
    def pick(request: gr.Request, chosen: Any, rater: str, pair_id: str) -> list[Any]:
        """Another pair from the list. The list also fires when the server fills it anew; the pair that is
        open already then keeps its half-filled form."""
        return [UNCHANGED] * len(opened) if str(chosen) == pair_id else show(request, chosen, rater)

    @shown
    def refresh(request: gr.Request, rater: str, pair_id: str) -> list[Any]:
        """The list as it is now; the newest pair opens where none is open. Before anybody gave a name it
        is the list of whoever rated last, whose name `restore` fills in."""
        rater = rater or services.rating.last_rater_name(ask.user(request))
        choices = waiting(request, rater)
        if not pair_id:
            return open_pair(request, choices[0][1], rater) if choices else nothing_open(choices)
        return [listed(choices, int(pair_id)), *[UNCHANGED] * (len(opened) - 1)]

    @shown
    def restore(request: gr.Request) -> list[Any]:
        user = ask.user(request)
        rater = services.rating.last_rater_name(user)
        return [rater, *refresh(request, rater, "")]

    @shown
    def named(request: gr.Request, rater: str, pair_id: str, rated_by: str) -> list[Any]:
        """Another name: that person's list. A form that shows somebody else's saved rating begins anew;
        one that nobody has saved keeps what was given."""
        if pair_id and rated_by and rated_by != rater.strip():
            return open_pair(request, int(pair_id), rater)
        return refresh(request, rater, pair_id)

    @shown
    def next_pair(request: gr.Request, rater: str) -> list[Any]:
        choices = waiting(request, rater)
        return open_pair(request, choices[0][1], rater) if choices else nothing_open(choices)

    saving = [picker, status, following, key, person, *heads]

    @shown
    def save_rating(
        request: gr.Request, rater: str, pair_id: str, form_key: str, said: str, *values: str | None
    ) -> list[Any]:
        def only(message: str) -> list[Any]:
            return [UNCHANGED, render.fault(message), *[UNCHANGED] * (len(saving) - 2)]

        lacking = pair_view.missing(rater, list(values))
        if lacking:
            return only(lacking)
        try:
            given = pair_view.rating(list(values), said, form_key)
            done = services.rating.submit(ask.user(request), rater, int(pair_id), given)
            choices = waiting(request, rater)
        except MedReasonError as fault:
            return only(str(fault))
        return [
            listed(choices, None),
            render.status(pair_view.saved(done, len(choices))),
            gr.Button(visible=bool(choices)),
            secrets.token_hex(16),
            rater.strip(),
            *[pair_view.head(side, done.sides) for side in SIDES],
        ]

    inputs = [name, pair, key, comment, *scales, preference]
    picker.input(pick, [picker, name, pair], opened, **PRIVATE, show_progress="hidden")
    for leaving in (name.blur, name.submit):
        leaving(named, [name, pair, person], opened, **PRIVATE, show_progress="hidden")
    save.click(save_rating, inputs, saving, **PRIVATE, trigger_mode="once", scroll_to_output=False)
    following.click(next_pair, [name], opened, **PRIVATE)
    return RateTab(name, pair, show, opened, refresh, opened, restore, [name, *opened])
