"""A role's whole page: its tabs, what leads from one to the next, who is asking, and what a reload brings back."""

import html
from typing import Any

import gradio as gr

from medreason.domain.user import ALLOWED, Action, Role, User
from medreason.services.people import LOCAL_NAME
from medreason.services.services import Services
from medreason.ui import compare, rate_tab, results, train
from medreason.ui.asking import Asking, shown
from medreason.ui.train_settings import IN_TURN

HEAD = """<div class="mr-head"><h1>MedReason</h1>
<p>{question}</p></div>
<ul class="mr-guide">{lines}</ul>"""
QUESTION = "Does the fine-tuned model reason better about medicine than the model it came from?"
BLIND_QUESTION = "Two models answer the same case. Which one reasons better about medicine?"
LINES = {
    Action.COMPARE: "<b>Compare</b> puts a case to both models and shows how each one thinks.",
    Action.RATE: "<b>Rate</b> scores what they said.",
    Action.RESULTS: "<b>Results</b> puts the scores into one table.",
    Action.TRAIN: "<b>Train</b> makes a fine-tuned model of your own.",
}

FOOT = """<div class="mr-foot">For research. Not medical advice, and no medical device. Do not enter anything
that identifies a patient. {sent}.</div>"""
WHO = """<div class="mr-who"><span>{name} · {role}</span>
<form method="post" action="/logout"><button type="submit">Log out</button></form></div>"""
LOCAL = '<div class="mr-who">You work as the local user of this computer; nobody logs in here yet.</div>'


def guide(role: Role) -> str:
    """What the program is for, and what each tab does that this role may use."""
    lines = "".join(f"<li>{LINES[action]}</li>" for action in LINES if action in ALLOWED[role])
    return HEAD.format(question=BLIND_QUESTION if role is Role.RATER else QUESTION, lines=lines)


def foot(sent_to: str, role: Role = Role.ADMIN) -> str:
    """The line below every tab. `sent_to` is the server that answers, or empty where this computer does; its name
    is kept from raters, since it may name a model."""
    server = "another server" if role is Role.RATER else html.escape(sent_to)
    return FOOT.format(sent=f"What you ask is sent to {server}" if sent_to else "Nothing is sent elsewhere")


def who_line(user: User) -> str:
    if user.name == LOCAL_NAME:
        return LOCAL
    return WHO.format(name=html.escape(user.name), role=user.role)


def build_page(services: Services, role: Role = Role.ADMIN) -> gr.Blocks:
    """The tabs that a role may use in one Blocks; of the others it holds nothing. Raises nothing: a model that is
    not ready is a state of the page."""
    ask = Asking(services)
    may = ALLOWED[role]
    with gr.Blocks(title="MedReason", analytics_enabled=False, delete_cache=(3600, 86400)) as page:
        who = gr.Markdown("", sanitize_html=False, latex_delimiters=[])
        head = gr.Markdown(guide(role), sanitize_html=False)
        rating = table = training = None
        with gr.Tabs(selected="compare") as tabs:
            with gr.Tab("Compare", id="compare") as compare_tab:
                comparing = compare.build(services, ask, role)
            if Action.RATE in may:
                with gr.Tab("Rate", id="rate"):
                    rating = rate_tab.build(services, ask, leads=Action.STUDIES in may)
            if Action.RESULTS in may:
                with gr.Tab("Results", id="results") as results_tab:
                    table = results.build(services, ask)
            if Action.TRAIN in may:
                with gr.Tab("Train", id="train"):
                    training = train.build(services, ask)
        gr.Markdown(foot(services.serving.sent_to, role), sanitize_html=False)

        @shown
        def tell_who(request: gr.Request) -> str:
            return who_line(ask.user(request))

        private: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}
        page.load(tell_who, None, [who], **private)
        compare_tab.select(comparing.refresh, None, comparing.refresh_outputs, **private)
        page.load(comparing.restore, None, comparing.restore_outputs, **private)
        if rating is not None:
            # The form is filled before it is seen, so that nothing changes under the rater's hand.
            opened = comparing.rate_button.click(
                rating.show, [comparing.pair_id, rating.name], rating.show_outputs, **private
            )
            opened.then(lambda: gr.Tabs(selected="rate"), None, [tabs], **private)
            page.load(rating.restore, None, rating.restore_outputs, **private)
        if table is not None:
            results_tab.select(table.refresh, table.refresh_inputs, table.refresh_outputs, **private)
            page.load(table.restore, table.restore_inputs, table.restore_outputs, **private)
        if training is not None:
            chosen = training.compare_button.click(lambda: gr.Tabs(selected="compare"), None, [tabs], **private)
            chosen.then(
                comparing.use_run,
                [training.run_name],
                comparing.use_run_outputs,
                concurrency_limit=None,
                **private,
            )
            page.load(training.restore, None, training.restore_outputs, **IN_TURN)
    _tell_progress_on(page, head)
    return page


def _tell_progress_on(page: gr.Blocks, component: gr.Markdown) -> None:
    """With every frame of a stream the page renews the progress of each component that has been an output of any
    event so far, searching all of itself for each. Where no progress is shown, one component stands for all: a
    trace of 8,000 tokens then takes a slow computer a tenth of the time."""
    for event in page.fns.values():
        if event.show_progress == "hidden":
            event.show_progress_on = [component]
