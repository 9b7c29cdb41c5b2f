"""What is kept of an open page does not grow with what is done in it."""

import asyncio

import gradio as gr

from medreason.web.open_pages import OpenPages


async def _changed_and_filled(times: int) -> None:
    with gr.Blocks() as blocks:
        words = gr.Markdown()
        change = gr.Button().click(lambda: gr.update(visible=False), None, words)
        fill = gr.Button().click(lambda: "Some words.", None, words)
    pages = OpenPages()
    pages.set_blocks(blocks)
    page = pages["one"]
    for _ in range(times):
        for event in (change, fill):
            await blocks.process_api(blocks.fns[event["id"]], [], state=page)
    assert set(page.blocks_config.blocks) == set(blocks.blocks)
    assert page[words._id].visible is False and words.visible is True


def test_a_field_that_is_changed_again_and_again_is_kept_once() -> None:
    asyncio.run(_changed_and_filled(times=5))
