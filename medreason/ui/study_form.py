"""The form that makes a study: fields, preview, the draft. Knows no storage: it asks `services.studies`."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr

from medreason.domain.instrument import SCALES
from medreason.domain.judgement import OVERALL
from medreason.domain.study import StudyPlan
from medreason.domain.user import User
from medreason.errors import MedReasonError, NotFound
from medreason.services.services import Services
from medreason.services.typed import LikelyIdentifiers
from medreason.ui import render, study_plan, study_progress
from medreason.ui.asking import Asking, shown
from medreason.ui.sampling_form import SamplingForm
from medreason.ui.sampling_form import read as read_sampling
from medreason.ui.study_plan import NAMES, PlanForm

PRIVATE: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}
CONSENT = (
    "You rate answers of two computer models to teaching cases. Your ratings are stored under a pseudonym and "
    "used to compare the models. You may stop at any time; what you gave until then is kept."
)
FILES = (
    '<p class="mr-note">CSV or JSONL, one row a case; only <code>text</code> is required, <code>case_id, '
    "specialty, reference_answer, must_contain, kind</code> may follow. Give the short name above first. "
    "Controls show how careful the ratings are: <code>kind</code> is <code>same_arm</code>, "
    "<code>false_premise</code> or <code>planted_error</code>. A planted error is an answer that you write with "
    "one wrong passage in it: <code>planted_answer</code> holds the answer, <code>planted_quote</code> the wrong "
    "words as they stand in it, <code>planted_quote_2</code> and so on further ones. It is shown on one side in "
    "place of a model's answer.</p>"
)
PRIMARY = [(scale.name, str(axis)) for axis, scale in SCALES.items()] + [("Preference, all in all", OVERALL)]


@dataclass
class StudyForm:
    """`fields` in the order of `PlanForm`; `kept` changes when a draft was kept, and holds its name."""

    fields: list[Any]
    sampling: list[Any]
    kept: gr.Textbox
    said: gr.Markdown


def build(services: Services, ask: Asking) -> StudyForm:
    fields: dict[str, Any] = {}
    blank = PlanForm()
    with gr.Row():
        fields["name"] = gr.Textbox(
            label="Short name", info="Letters, digits, dots, dashes. It stays.", max_length=64
        )
        fields["title"] = gr.Textbox(label="Title", info="What raters see.", max_length=300, scale=2)
    with gr.Row():
        fields["specialties"] = gr.CheckboxGroup(
            study_plan.specialties(services.cases), label="Cases of the embedded deck, by specialty"
        )
    with gr.Row():
        fields["most_cases"] = gr.Number(
            0, label="At most so many", info="In turn from each; 0 takes all.", precision=0
        )
        fields["same_arm"] = gr.Number(
            0, label="Of these, same-model controls", info="Both sides from one model.", precision=0
        )
    with gr.Row():
        file = gr.File(
            label="Cases and controls of your own (CSV, JSONL)", file_types=[".csv", ".jsonl"], height=180
        )
        with gr.Column():
            gr.Markdown(FILES, sanitize_html=False, elem_classes="study-text")
            fields["keep_files"] = gr.Checkbox(True, label="Keep the cases that came from files", container=False)
    with gr.Row():
        fields["adapter"] = gr.Dropdown([], label="Fine-tuned model", info="Against its own base model.")
        fields["instrument"] = gr.Radio(
            [(words, str(one)) for one, words in study_progress.INSTRUMENTS.items()],
            value=blank.instrument,
            label="Questions",
        )
    with gr.Row():
        fields["own_answer"] = gr.Checkbox(False, label="Ask for the rater's own answer first", container=False)
        fields["answers_per_case"] = gr.Number(1, label="Answers a case and model", precision=0)
    with gr.Accordion("Sampling, the same for both models", open=False):
        asked = SamplingForm()
        with gr.Row():
            asked.build_seed()
        asked.build_panel()
    sampling = asked.inputs
    with gr.Row():
        fields["ethics"] = gr.Textbox(label="Ethics", info="Approval or waiver, with its number.", lines=2)
        fields["consent"] = gr.Textbox(CONSENT, label="Consent", info="Each rater accepts it first.", lines=4)
    with gr.Row():
        fields["raters"] = gr.Textbox(label="Raters", info="One name a line, as they write it in Rate.", lines=4)
        with gr.Column():
            fields["overlap"] = gr.Number(blank.overlap, label="Raters a case, at least", precision=0)
            fields["repeat_percent"] = gr.Number(
                blank.repeat_percent, label="Repeated with sides swapped, in percent"
            )
    with gr.Row():
        fields["primary"] = gr.Dropdown(PRIMARY, value=blank.primary, label="Primary question")
        fields["planned_cases"] = gr.Number(
            0, label="Planned number of cases", info="0: all of them.", precision=0
        )
        fields["seed"] = gr.Number(blank.seed, label="Seed of the schedule", precision=0)
    with gr.Row(elem_classes="mr-actions"):
        look = gr.Button("Look at what this means", scale=0, min_width=260)
        keep = gr.Button("Keep the draft", variant="primary", scale=0, min_width=180)
        sure = gr.Checkbox(
            False, label="The case texts identify nobody: keep them as they are", visible=False, container=False
        )
    said = gr.Markdown(sanitize_html=False, latex_delimiters=[])
    found = gr.Markdown(sanitize_html=False, latex_delimiters=[], elem_classes="study-text")
    kept = gr.Textbox("", visible="hidden")
    ordered = [fields[name] for name in NAMES]

    def draft_of(user: User, name: str) -> StudyPlan | None:
        try:
            return services.studies.get(user, name.strip()).plan
        except NotFound:
            return None

    def plan_from(user: User, values: tuple[Any, ...]) -> tuple[StudyPlan, bool]:
        """The plan that the form says, and whether there is a draft of that name already."""
        form = study_plan.read(values[: len(NAMES)])
        before = draft_of(user, form.name)
        sampling, system_prompt = read_sampling(values[len(NAMES) :])
        plan = study_plan.plan_of(form, services.cases, before, sampling, system_prompt)
        return plan, before is not None

    @shown
    def preview(request: gr.Request, *values: Any) -> list[Any]:
        try:
            plan, _ = plan_from(ask.user(request), values)
            return ["", study_progress.preview(services.studies.preview(ask.user(request), plan))]
        except MedReasonError as fault:
            return [render.fault(str(fault)), ""]

    @shown
    def keep_draft(request: gr.Request, identifies_nobody: bool, *values: Any) -> list[Any]:
        user = ask.user(request)
        try:
            plan, there = plan_from(user, values)
            if there:
                services.studies.change(user, plan.name, plan, identifiers_ok=bool(identifies_nobody))
            else:
                services.studies.create(user, plan, identifiers_ok=bool(identifies_nobody))
        except LikelyIdentifiers as warning:
            return [render.fault(str(warning)), gr.skip(), gr.Checkbox(visible=True)]
        except MedReasonError as fault:
            return [render.fault(str(fault)), gr.skip(), gr.skip()]
        done = f"The draft {plan.name} is kept. Look at it above; generate its answers when it is complete."
        return [render.status(done), plan.name, gr.Checkbox(False, visible=False)]

    @shown
    def upload(request: gr.Request, path: str | None, name: str, identifies_nobody: bool) -> list[Any]:
        if not path:
            return [gr.skip()] * 3
        try:
            view = services.studies.import_cases(
                ask.user(request), Path(path), name.strip(), identifiers_ok=bool(identifies_nobody)
            )
        except LikelyIdentifiers as warning:
            return [render.fault(str(warning)), gr.skip(), gr.Checkbox(visible=True)]
        except MedReasonError as fault:
            return [render.fault(str(fault)), gr.skip(), gr.skip()]
        done = f"The draft {view.name} holds {len(view.plan.cases)} cases now, those of the file among them."
        return [render.status(done), view.name, gr.skip()]

    asked.wire()
    look.click(preview, [*ordered, *sampling], [said, found], **PRIVATE)
    keep.click(keep_draft, [sure, *ordered, *sampling], [said, kept, sure], **PRIVATE)
    file.upload(upload, [file, fields["name"], sure], [said, kept, sure], **PRIVATE)
    return StudyForm(ordered, sampling, kept, said)
