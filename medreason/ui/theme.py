"""How the page looks: one theme, and the style sheets of `static/` in one string."""

from pathlib import Path

import gradio as gr

STATIC = Path(__file__).parent / "static"

SANS = ["ui-sans-serif", "system-ui", "-apple-system", "Segoe UI", "Roboto", "sans-serif"]
MONO = ["ui-monospace", "SFMono-Regular", "Menlo", "Consolas", "monospace"]

THEME = gr.themes.Base(
    primary_hue=gr.themes.colors.blue,
    neutral_hue=gr.themes.colors.zinc,
    radius_size=gr.themes.sizes.radius_sm,
    text_size=gr.themes.sizes.text_md,
    spacing_size=gr.themes.sizes.spacing_md,
    font=SANS,
    font_mono=MONO,
).set(
    body_background_fill="#ffffff",
    body_background_fill_dark="#15171a",
    background_fill_secondary="#f6f7f8",
    background_fill_secondary_dark="#1d2024",
    body_text_color_subdued="#52525b",
    body_text_color_subdued_dark="#b4b4bd",
    block_info_text_color="#52525b",
    block_info_text_color_dark="#b4b4bd",
    block_label_text_color="#3f3f46",
    block_label_text_color_dark="#d4d4d8",
    block_title_text_color="#27272a",
    block_title_text_color_dark="#e4e4e7",
    block_shadow="none",
    block_shadow_dark="none",
    block_border_width="1px",
    input_border_width="1px",
    input_background_fill="#ffffff",
    input_background_fill_dark="#15171a",
    input_border_color="#8b8b95",
    input_border_color_dark="#6b6b76",
    input_placeholder_color="#5f5f69",
    input_placeholder_color_dark="#a8a8b3",
    button_primary_background_fill="#1d4ed8",
    button_primary_background_fill_hover="#1e40af",
    button_primary_background_fill_dark="#1d4ed8",
    button_primary_background_fill_hover_dark="#2563eb",
    button_primary_text_color="#ffffff",
    button_primary_text_color_dark="#ffffff",
    button_secondary_background_fill="#eceef1",
    button_secondary_background_fill_hover="#dfe2e7",
    button_secondary_background_fill_dark="#2b2f36",
    button_secondary_background_fill_hover_dark="#383d46",
    button_secondary_text_color="#1f2328",
    button_secondary_text_color_dark="#e8e8ec",
)

CSS = "\n".join(sheet.read_text(encoding="utf-8") for sheet in sorted(STATIC.glob("*.css")))
