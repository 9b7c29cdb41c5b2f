"""Opening the page is quick and leaves alone what it need not touch: no model software, no file of Gradio's."""

import subprocess
import sys

from tests.conftest import CHECKOUT

CODE = """
import medreason.ui
import gradio as gr
from gradio import component_meta
component_meta.create_or_modify_pyi(None, "x", [])  # the real one would raise
with gr.Blocks():
    button = gr.Button("Send")
    button.click(lambda: None)
print("works")
"""


def test_gradio_does_not_write_its_stubs_and_still_works() -> None:
    ran = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, cwd=CHECKOUT)
    assert ran.stdout.strip() == "works", ran.stderr


def test_opening_the_page_loads_no_model_software() -> None:
    code = (
        "import sys; import medreason.assembly, medreason.ui.page, medreason.web.site; "
        "print([m for m in ('torch', 'transformers', 'peft', 'trl', 'datasets') if m in sys.modules])"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=CHECKOUT)
    assert (ran.stdout.strip(), ran.returncode) == ("[]", 0), ran.stderr


def test_gradio_sums_up_no_events_for_a_monitor_that_is_off() -> None:
    code = """
import gradio as gr
from medreason.web.pages import mount
with gr.Blocks() as page:
    gr.Button("Send").click(lambda: None)
queue = mount(page).blocks._queue
queue.events_recorded = 1000
asked = {"function": "send", "status": "success", "process_time": 1.0, "session_hash": "s", "time": 0.0}
print(queue.compute_analytics_summary([asked]), queue.ANALYTICS_MAX_EVENTS)
"""
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=CHECKOUT)
    assert ran.stdout.strip() == "{'functions': {}} 1", ran.stderr
