"""The Results tab alone, on a store with as many rated cases as wanted, in process or behind a real server."""

import random
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace

import gradio as gr
import uvicorn

from medreason.domain.answers import Answer, Counts, Finish, Timings
from medreason.domain.arms import ARMS, SIDES, Arm, Side
from medreason.domain.instrument import AXES
from medreason.domain.rating import Rating, Score
from medreason.domain.sampling import Sampling
from medreason.ui import results
from medreason.web.site import build_site
from tests.server import free_port
from tests.store import Store, proof

SPECIALTIES = ("nephrology", "neurology", "endocrinology")
READY_WITHIN_S = 30


def rate_cases(store: Store, n_cases: int, raters: tuple[str, ...] = ("Ann", "Ben", "Cem")) -> None:
    """`n_cases` blind pairs, each rated by everybody; the fine-tuned side thinks and is somewhat better."""
    rng = random.Random(5)
    for number in range(n_cases):
        pair = store.pairs.begin(
            user_id=store.admin.id,
            conversation_id=None,
            case_id=f"case-{number:02d}",
            question=f"Case {number}: a swollen <b>toe</b>. What now?",
            system_prompt="",
            sampling=Sampling(),
            left=rng.choice(ARMS),
            blinded=True,
            specialty=SPECIALTIES[number % 3],
        )
        for arm in ARMS:
            tuned = arm is Arm.FINETUNED
            tokens = Counts(38, 200 + 7 * number if tuned else 0, 60 + rng.randint(0, 90))
            said = Answer(
                "Okay. Wait, because it is hot…" if tuned else "",
                "**Gout.**\n\n1. Rest.\n2. Cold.",
                Finish.STOP,
                "",
                tuned,
                tuned,
                tokens,
                Timings(0.2, 4.0 if tuned else 0.0, 6.0),
            )
            store.pairs.save_answers(pair.id, {arm: (said, proof(arm))})
        gain = rng.gauss(0.6, 0.7)
        for rater in raters:
            values = {arm: gain if arm is Arm.FINETUNED else 0.0 for arm in ARMS}

            def score(side: Side, values: dict[Arm, float] = values, sides=pair.sides) -> int:
                return min(5, max(1, round(3.1 + values[sides.arm(side)] + rng.gauss(0, 0.7))))

            scores = tuple(Score(side, axis, score(side)) for side in SIDES for axis in AXES)
            liked = max(-3, min(3, round(gain + rng.gauss(0, 0.8))))
            turned = -liked if pair.sides.left is Arm.FINETUNED else liked
            store.older_rating(
                store.admin, rater, pair.id, Rating(scores, turned, "=cmd 🩺" if not number else "")
            )


def blocks(store: Store) -> tuple[gr.Blocks, results.ResultsTab]:
    """The tab as page.py wires it."""
    ask = SimpleNamespace(user=lambda request: store.admin)
    with gr.Blocks(title="MedReason", analytics_enabled=False) as page:
        gr.Markdown("# MedReason")
        tab = results.build(SimpleNamespace(results=store.results), ask)  # type: ignore[arg-type]
        private = {"api_visibility": "private", "show_progress": "hidden"}
        page.load(tab.restore, tab.restore_inputs, tab.restore_outputs, **private)
    return page, tab


@contextmanager
def served(store: Store) -> Iterator[str]:
    """The address of a server with that page alone."""
    page, _ = blocks(store)
    port = free_port()
    site = build_site(page, lambda: None)
    server = uvicorn.Server(uvicorn.Config(site, port=port, log_level="warning", timeout_graceful_shutdown=1))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    deadline = time.monotonic() + READY_WITHIN_S
    while not server.started:
        assert thread.is_alive() and time.monotonic() < deadline, "the page did not get ready"
        time.sleep(0.05)
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join(10)
