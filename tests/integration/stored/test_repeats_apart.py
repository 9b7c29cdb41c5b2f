"""What a rater marks or says when a case comes again counts for agreement with themselves, and nowhere else."""

from medreason.domain.arms import Side
from medreason.domain.items import Instrument
from medreason.domain.span import Span, SpanType, Target
from medreason.domain.study import ShowingKind
from medreason.services.collected import pack_of
from medreason.services.evaluating import evaluated
from medreason.services.filtering import Filters, filtered
from medreason.stats.bootstrap import Resampling
from tests.studies import NAME, judgement, rate, with_study

QUICK = Resampling(n_boot=99)


def test_marks_in_a_repeat_are_not_those_of_the_study(tmp_path):
    desk = with_study(tmp_path / "a.db", count=4, raters=("Anna",), repeat_share=0.25)
    kinds = {one.id: one.kind for one in desk.store.showings.of_study(1)}
    while view := desk.sessions.next(desk.local, "Anna", NAME):
        words = (view.left.answer[:6], view.left.answer_sha256)
        mark = Span(Side.LEFT, Target.ANSWER, 0, 6, *words, SpanType.OVERCONFIDENT, 3)
        again = kinds[view.showing_id] is ShowingKind.REPEAT
        rate(desk, view, "Anna", spans=(mark,) if again else ())
    desk.studies.close(desk.local, NAME, "done")
    data = pack_of(desk.collections.records(desk.local, NAME))
    assert [span.case_kind for span in data.spans] == ["repeat"]
    made = evaluated(data, QUICK)
    row = made.row("any_hallucination")
    assert (row.n_cases, row.baseline.mean.value, row.finetuned.mean.value) == (4, 0.0, 0.0)
    desk.close()


def test_how_sure_a_rater_was_of_a_case_holds_for_both_phases(tmp_path):
    desk = with_study(tmp_path / "a.db", count=4, raters=("Anna",), instrument=Instrument.FULL)
    number = 0
    while view := desk.sessions.next(desk.local, "Anna", NAME):
        last = view.phase == "with_trace"
        given = judgement(view.instrument, view.phase, **({"confidence": 2 + 3 * (number % 2)} if last else {}))
        number += last
        desk.sessions.submit(desk.local, "Anna", view.showing_id, given)
    desk.studies.close(desk.local, NAME, "done")
    data = pack_of(desk.collections.records(desk.local, NAME))
    sure = filtered(data, Filters(confidence=4))
    assert {row.phase for row in sure.ratings} == {"answer_only", "with_trace"}
    assert len({row.case_id for row in sure.ratings}) == 2 and len(sure.ratings) * 2 == len(data.ratings)
    assert len(sure.pairs) == 2
    desk.close()
