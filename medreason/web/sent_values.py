"""What a page sends for its fields: told apart from a defect of ours.

Gradio reads each value by the field's own rules, and tells a value that breaks them as it tells a defect: a
traceback, and nothing for the page. Here it is a sentence, so that a traceback in the log is always a defect.
"""

import logging
from typing import Any

import gradio as gr

log = logging.getLogger(__name__)

NOT_THIS = "The page sent something that this field cannot hold. Reload the page, then try again."
NOT_OFFERED = "That choice is no longer offered. Reload the page, then choose again."


def refuse_in_words(blocks: gr.Blocks) -> None:
    """From now on a value that a field cannot hold is refused in a sentence, without a traceback."""
    read = blocks.preprocess_data

    async def read_or_refuse(event: Any, sent: list[Any], *given: Any, **how: Any) -> Any:
        try:
            values = [_of_kind(field, value) for field, value in zip(event.inputs, sent, strict=True)]
            return await read(event, values, *given, **how)
        except Exception as fault:
            log.info("A value sent for %s was refused (%s)", event.api_name, type(fault).__name__)
            raise gr.Error(_words(fault), print_exception=False) from None

    blocks.preprocess_data = read_or_refuse


def _of_kind(field: Any, value: Any) -> Any:
    """The value, where it is of the kind that the field's own page sends; Gradio looks at few. A text field
    without a value holds an empty text. Raises `ValueError`."""
    if isinstance(field, gr.Textbox):
        value = "" if value is None else value
        if not isinstance(value, str):
            raise ValueError("no text")
        value.encode("utf-8")  # half a character can be neither stored nor shown
        if "\x00" in value:
            raise ValueError("no character")
    if isinstance(field, gr.Radio) or (isinstance(field, gr.Dropdown) and not field.multiselect):
        if isinstance(value, list | dict):
            raise ValueError("a list where one choice is meant")
    if isinstance(field, gr.Number | gr.Slider):
        if isinstance(value, bool) or not isinstance(value, int | float | None):
            raise ValueError("no number")
    if isinstance(field, gr.Checkbox) and not isinstance(value, bool | None):
        raise ValueError("no tick")
    return value


def _words(fault: Exception) -> str:
    """Gradio's own words where they name a limit; they would also list all choices."""
    if not isinstance(fault, gr.Error):
        return NOT_THIS
    return NOT_OFFERED if "list of choices" in str(fault.message) else str(fault.message)
