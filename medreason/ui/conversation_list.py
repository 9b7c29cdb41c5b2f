"""Earlier conversations: the list, newest first, and files of the one that is open."""

import base64
import html
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import gradio as gr

from medreason.services.conversations import ConversationLine
from medreason.ui.case_picker import short

NONE_YET = '<p class="mr-note">No conversation yet. Ask a question above; it is kept here.</p>'


class ConversationPanel:
    def build(self) -> None:
        self.list = gr.Dropdown(
            [], value=None, label="Open an earlier conversation", info="Newest first.", elem_id="conversations"
        )
        with gr.Row(elem_classes="mr-actions"):
            self.save = gr.Button("Save this conversation as a file", interactive=False, scale=0, min_width=310)
        self.files = gr.Markdown(NONE_YET, sanitize_html=False, latex_delimiters=[])

    @property
    def components(self) -> list[Any]:
        return [self.list, self.save, self.files]


def label(line: ConversationLine) -> str:
    """When, how much, and the first words; a blind one says only that it is blind."""
    began = datetime.fromisoformat(line.began_at)
    questions = f"{line.turns} questions · " if line.turns > 1 else ""
    blind = "blind, not rated yet · " if line.blinded else ""
    return f"{began.day} {began:%B %Y, %H:%M} UTC · {questions}{blind}{short(line.first_question)}"


def listed(lines: Sequence[ConversationLine], opened: int | None) -> list[Any]:
    """Updates of the panel's components, for the conversation that is open, if any."""
    known = opened in [line.conversation_id for line in lines]
    return [
        gr.Dropdown(
            [(label(line), line.conversation_id) for line in lines],
            value=opened if known else None,
            interactive=bool(lines),
            label=f"Open an earlier conversation ({len(lines)})",
        ),
        gr.Button(interactive=known),
        "" if lines else NONE_YET,
    ]


def links(conversation_id: int, markdown: bytes, json: bytes) -> str:
    """Both files inside the page, so that saving asks nothing of the server again."""
    made = (
        ("md", "text/markdown", "as Markdown, to read", markdown),
        ("json", "application/json", "as JSON, for programs", json),
    )
    return "".join(
        f'<p><a class="mr-download" download="conversation-{conversation_id}.{ending}" '
        f'href="data:{kind};base64,{base64.b64encode(content).decode()}">Save {html.escape(words)}</a></p>'
        for ending, kind, words, content in made
    )
