"""The whole page: four tabs, what leads from one to the next, and what a reload brings back."""

import gradio as gr

from medreason.services.services import Services
from medreason.ui import compare, rate, results, train
from medreason.ui.asking import Asking

GUIDE = """<div class="mr-head"><h1>MedReason</h1>
<p>Does the fine-tuned model reason better about medicine than the model it came from?</p></div>
<ul class="mr-guide"><li><b>Compare</b> puts a case to both models and shows how each one thinks.</li>
<li><b>Rate</b> scores what they said; <b>Results</b> puts the scores into one table.</li>
<li><b>Train</b> makes a fine-tuned model of your own.</li></ul>"""

FOOT = """<div class="mr-foot">For research. Not medical advice, and no medical device. Do not enter anything
that identifies a patient. You work as the local user of this computer; nothing is sent elsewhere.</div>"""


def build_page(services: Services) -> gr.Blocks:
    """Every tab in one Blocks. Raises nothing: a model that is not ready is a state of the page."""
    ask = Asking(services)
    with gr.Blocks(title="MedReason", analytics_enabled=False, delete_cache=(3600, 86400)) as page:
        gr.Markdown(GUIDE, sanitize_html=False)
        with gr.Tabs(selected="compare") as tabs:
            with gr.Tab("Compare", id="compare") as compare_tab:
                comparing = compare.build(services, ask)
            with gr.Tab("Rate", id="rate") as rate_tab:
                rating = rate.build(services, ask)
            with gr.Tab("Results", id="results") as results_tab:
                table = results.build(services, ask)
            with gr.Tab("Train", id="train"):
                training = train.build(services, ask)
        gr.Markdown(FOOT, sanitize_html=False)

        private = {"api_visibility": "private", "show_progress": "hidden"}
        # The form is filled before it is seen, so that nothing changes under the rater's hand.
        opened = comparing.rate_button.click(
            rating.show, [comparing.pair_id, rating.name], rating.show_outputs, **private
        )
        opened.then(lambda: gr.Tabs(selected="rate"), None, [tabs], **private)
        rate_tab.select(rating.refresh, [rating.name, rating.pair], rating.refresh_outputs, **private)
        results_tab.select(table.refresh, None, table.refresh_outputs, **private)
        chosen = training.compare_button.click(lambda: gr.Tabs(selected="compare"), None, [tabs], **private)
        chosen.then(
            comparing.use_run, [training.run_name], comparing.use_run_outputs, concurrency_limit=None, **private
        )
        compare_tab.select(comparing.refresh_adapters, None, [comparing.adapter], **private)
        for tab in (comparing, rating, table, training):
            page.load(tab.restore, None, tab.restore_outputs, **private)
    return page
