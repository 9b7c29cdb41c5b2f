"""Starting the page leaves Gradio's installed files alone, and its components still work."""

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
