"""The colour of each ink, light and dark: the same as in the page's style sheet, which a test compares."""

from medreason.figures.drawing import Ink

LIGHT = {
    Ink.TEXT: "#1f2328",
    Ink.SUBDUED: "#52525b",
    Ink.LINE: "#d5d8dd",
    Ink.BASELINE: "#8a5a00",
    Ink.FINETUNED: "#0b6b66",
}
DARK = {
    Ink.TEXT: "#e8e8ec",
    Ink.SUBDUED: "#b4b4bd",
    Ink.LINE: "#3a3e45",
    Ink.BASELINE: "#e8b04a",
    Ink.FINETUNED: "#4fc9c0",
}
PAPER = {"light": "#ffffff", "dark": "#15171a"}
THEMES = {"light": LIGHT, "dark": DARK}
