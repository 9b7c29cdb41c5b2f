"""Figures: the same bytes for the same numbers, nobody's text parsed, no arm's colour while blind."""

import io
import re
import xml.etree.ElementTree as ElementTree

import pytest
from PIL import Image

from medreason.figures import png, svg
from medreason.figures.drawing import ARM_INKS, MARGIN, Bar, Dot, Figure, Ink, Label, Line, round_top, short
from medreason.figures.forest import CaseDifference, Interval, forest
from medreason.figures.palette import DARK, LIGHT, PAPER, THEMES
from medreason.services.assessing import Assessment, assess
from medreason.services.study_figures import figures
from medreason.stats.bootstrap import Resampling
from tests.conftest import CHECKOUT
from tests.packs import study_pack

QUICK = Resampling(n_boot=99)
NAMES = ["distributions", "forest_D", "forest_F", "forest_H", "preference", "by_specialty", "agreement"]


@pytest.fixture(scope="module")
def made() -> Assessment:
    return assess(study_pack(12, 2), QUICK)


def named(made: Assessment, name: str) -> Figure:
    return next(figure for figure in figures(made) if figure.name == name)


def test_every_figure_of_the_page_is_there_with_words_for_it(made):
    drawn = figures(made)
    assert [figure.name for figure in drawn] == [*NAMES, "length_against_score"]
    assert all(len(figure.alternative) > 40 and figure.title for figure in drawn)
    forest_d, row = named(made, "forest_D"), made.evaluation.row("D")
    assert f"higher in {row.wins}, the baseline in {row.losses}, even in {row.ties}" in forest_d.alternative
    assert f"mean {row.baseline.mean.value:.2f}" in named(made, "distributions").alternative


def test_while_blind_only_agreement_is_drawn_and_no_arm_has_its_colour():
    blind = assess(study_pack(12, 2, unblinded=False), QUICK)
    drawn = figures(blind)
    assert [figure.name for figure in drawn] == ["agreement"]
    assert not any(figure.shows_arms for figure in drawn)
    assert not any(str(ink) in svg.inline(drawn[0]) for ink in ARM_INKS)


def test_nothing_rated_draws_nothing():
    assert figures(assess(study_pack(0), QUICK)) == ()


def test_colours_are_those_of_the_page():
    css = (CHECKOUT / "medreason" / "ui" / "static" / "app.css").read_text(encoding="utf-8")
    light, dark = (re.search(rf"{root} {{(.*?)}}", css, re.S).group(1) for root in (r":root", r"\.dark"))  # type: ignore[union-attr]
    for palette, sheet in ((LIGHT, light), (DARK, dark)):
        for ink in (Ink.BASELINE, Ink.FINETUNED, Ink.LINE, Ink.SUBDUED):
            assert f"--mr-{ink}: {palette[ink]};" in sheet


HOSTILE = '<script>alert(1)</script>&"$x_2$\x00\u202e🩺'


def test_a_name_is_drawn_as_it_is_and_never_parsed():
    figure = forest("D", HOSTILE, [CaseDifference(HOSTILE, 1.0, 0.0, 2.0)], Interval(1.0, 0.5, 1.5))
    for text in (svg.inline(figure), svg.standalone(figure, "dark").decode()):
        assert "<script" not in text and "\x00" not in text and "\u202e" not in text
        ElementTree.fromstring(text.encode())
    assert png.png(figure, "light").startswith(b"\x89PNG")


def test_the_same_figure_gives_the_same_bytes(made):
    figure = named(made, "length_against_score")
    assert png.png(figure, "dark") == png.png(figure, "dark") != png.png(figure, "light")
    assert svg.standalone(figure, "dark") == svg.standalone(figure, "dark") != svg.standalone(figure, "light")


def test_inline_figures_take_the_colours_around_them_and_carry_their_words(made):
    text = svg.inline(named(made, "preference"))
    assert "#" not in text and 'role="img"' in text and 'aria-label="Overall preference. Of 24 comparisons' in text
    root = ElementTree.fromstring(svg.standalone(named(made, "preference"), "light"))
    assert [child.tag.split("}")[1] for child in root][:2] == ["title", "desc"]


def test_all_shapes_lie_within_the_figure(made):
    for figure in figures(made):
        for shape in figure.shapes:
            x, y = (shape.x, shape.y) if hasattr(shape, "x") else (shape.x2, shape.y2)
            assert -1 <= x <= figure.width + 1 and -1 <= y <= figure.height + 1, (figure.name, shape)


def test_long_names_are_cut_and_axes_end_round():
    assert short("a" * 80) == "a" * 23 + "…" and short("a\nb") == "a b"
    assert [round_top(value) for value in (1, 5, 6, 237, 2048)] == [
        (1, 1), (5, 1), (6, 2), (250, 50), (2500, 500),
    ]  # fmt: skip


def test_a_png_has_every_shape_where_the_figure_has_it():
    shapes = (
        Bar(10, 10, 40, 20, Ink.BASELINE),
        Line(60, 10, 60, 90, Ink.TEXT, width=4),
        Dot(30, 60, 8, Ink.FINETUNED),
        Label(99, 50, "|", anchor="end", bold=True),
    )
    drawn = Image.open(io.BytesIO(png.png(Figure("one", "One", "One.", 100, 100, shapes), "light")))
    edge, colours = 2 * MARGIN, THEMES["light"]
    assert drawn.size == (200 + 2 * edge, 200 + 2 * edge)

    def at(x: float, y: float) -> str:
        pixel = drawn.getpixel((round(2 * x) + edge, round(2 * y) + edge))
        return f"#{bytes(pixel).hex()}"

    assert at(30, 20) == colours[Ink.BASELINE] and at(52, 20) == PAPER["light"]
    assert at(60, 50) == colours[Ink.TEXT] and at(57, 50) == at(63, 50) == PAPER["light"]
    assert at(30, 60) == colours[Ink.FINETUNED] and at(41, 60) == PAPER["light"]
    written = drawn.crop((2 * 80 + edge, 0, 200 + edge, 200)).getcolors(1 << 16)
    assert any(f"#{bytes(pixel).hex()}" == colours[Ink.TEXT] for _, pixel in written)
    assert drawn.crop((200 + edge, 0, 200 + 2 * edge, 200)).getcolors() == [(edge * 200, drawn.getpixel((0, 0)))]
