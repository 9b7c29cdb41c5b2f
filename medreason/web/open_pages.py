"""What Gradio keeps of each page that is open: the values of its fields, and those components that were changed.

By itself Gradio also keeps a description of every component of every page, renewed with each update, for links to
the page as it stands. There are none here. Of an admin's page that was some 8,000 objects; sixty pages made the
garbage collector hold up everybody for a third of a second, and more on a slower computer.

By itself Gradio also gives a component a new number each time that it is changed, and keeps it a second time under
that number once it is given a value. So a page that is used would grow as long as it is open.
"""

from types import SimpleNamespace
from typing import Any

import gradio as gr
from gradio.blocks import Block
from gradio.state_holder import SessionState, StateHolder


class OpenPages(StateHolder):
    """The open pages of one Blocks by their session."""

    def __getitem__(self, session_id: str) -> SessionState:
        if session_id not in self.session_data:
            self.session_data[session_id] = _opened(self.blocks)
        return super().__getitem__(session_id)


class OpenPage(SessionState):
    """A changed component keeps the number of the one whose place it takes."""

    def __setitem__(self, key: int, value: Any) -> None:
        if isinstance(value, Block):
            value._id = key
        super().__setitem__(key, value)


def _opened(blocks: gr.Blocks) -> OpenPage:
    page = OpenPage(SimpleNamespace(default_config=blocks.default_config, blocks={}))
    page.blocks_config.config_for_block = _undescribed
    return page


def _undescribed(*_: Any) -> dict[str, Any]:
    return {}
