"""Values refuse what they cannot be, all faults together, and an object that exists is valid."""

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medreason.domain.answers import Answer, Counts, Finish, Timings
from medreason.domain.arms import ARMS, SIDES, Arm, Side
from medreason.domain.case import Case
from medreason.domain.conversation import Conversation, Turn
from medreason.domain.events import AnswerText, Draft, Failed, Finished, Started, ThinkingText
from medreason.domain.instrument import AXES, PREFERENCES, SCALES, Axis
from medreason.domain.provenance import ModelProvenance, Provenance
from medreason.domain.rating import Rating, Score, Sides
from medreason.domain.sampling import Sampling
from medreason.domain.setting import settings_of
from medreason.domain.training import TrainingConfig
from medreason.domain.user import Action, Role, User
from medreason.errors import Invalid, NotAllowed


def full_rating(value: int | None = 3, preference: int | None = 0) -> Rating:
    return Rating(tuple(Score(side, axis, value) for side in SIDES for axis in AXES), preference)


def test_every_fault_of_a_training_config_is_told_at_once() -> None:
    with pytest.raises(Invalid) as refused:
        TrainingConfig(run_name="../x", learning_rate=-1, epochs=float("nan"), lora_rank=0)
    assert {fault.field for fault in refused.value.faults} == {
        "Run name",
        "Learning rate",
        "Passes over the data",
        "LoRA rank",
    }


@pytest.mark.parametrize("name", ["", ".", "..", "../x", "/etc", "a/b", "a b", "-" * 65, ".hidden", "né", "a\n"])
def test_a_run_name_cannot_leave_its_folder(name: str) -> None:
    with pytest.raises(Invalid):
        TrainingConfig(run_name=name)


def test_every_setting_has_words_and_its_default_is_valid() -> None:
    for kind in (TrainingConfig, Sampling):
        kind()
        for one in settings_of(kind):
            assert one.label and one.help.endswith("."), one.name


@given(st.floats() | st.integers() | st.text() | st.booleans() | st.none())
def test_sampling_is_valid_or_refused_in_words(value: object) -> None:
    for field in dataclasses.fields(Sampling):
        try:
            made = dataclasses.replace(Sampling(), **{field.name: value})
        except Invalid as refused:
            assert len(refused.faults) == 1
        else:
            assert getattr(made, field.name) == value


def test_a_rating_needs_every_axis_on_both_sides() -> None:
    scores = full_rating().scores
    with pytest.raises(Invalid, match="Factual correctness, left"):
        Rating(tuple(s for s in scores if (s.side, s.axis) != (Side.LEFT, Axis.CORRECTNESS)), 0)
    with pytest.raises(Invalid):
        Rating(scores + scores[:1], 0)
    assert full_rating(None, None).value(Side.LEFT, Axis.DEPTH) is None


@pytest.mark.parametrize("value", [0, 6, 2.5, "3", True])
def test_a_score_is_a_point_of_the_scale(value: object) -> None:
    with pytest.raises(Invalid):
        Score(Side.LEFT, Axis.DEPTH, value)  # type: ignore[arg-type]


def test_every_point_of_every_scale_has_its_own_meaning() -> None:
    meanings = [scale.meaning(value) for scale in SCALES.values() for value in range(1, 6)]
    assert len(set(meanings)) == 15
    assert sorted(PREFERENCES) == [-3, -2, -1, 0, 1, 2, 3]


@given(st.sampled_from(ARMS), st.sampled_from(sorted(PREFERENCES)))
def test_sides_turn_back_and_forth(left: Arm, preference: int) -> None:
    sides, swapped = Sides(left), Sides(left.other)
    assert all(sides.side(sides.arm(side)) is side for side in SIDES)
    assert sides.toward(Arm.FINETUNED, preference) == -swapped.toward(Arm.FINETUNED, preference)
    assert sides.toward(Arm.BASELINE, preference) == -sides.toward(Arm.FINETUNED, preference)


def test_preference_is_positive_when_the_finetuned_side_is_better() -> None:
    assert Sides(left=Arm.FINETUNED).toward(Arm.FINETUNED, -3) == 3
    assert Sides(left=Arm.BASELINE).toward(Arm.FINETUNED, -3) == -3


def test_earlier_thinking_is_never_sent_and_both_arms_see_every_question() -> None:
    said = Turn("q1", Answer("secret", "a1", Finish.STOP), Answer("hidden", "b1", Finish.STOP))
    asked = Conversation("q2", (said, Turn("q1b")), "Be brief.")
    sent = {arm: asked.messages(arm) for arm in ARMS}
    assert [m["content"] for m in sent[Arm.BASELINE]] == ["Be brief.", "q1", "a1", "q1b", "", "q2"]
    assert [m["content"] for m in sent[Arm.FINETUNED]] == ["Be brief.", "q1", "b1", "q1b", "", "q2"]


@pytest.mark.parametrize("text", ["", "   ", "a\x00b", "\ud800", "x" * 20_001])
def test_a_question_that_cannot_be_stored_is_refused(text: str) -> None:
    with pytest.raises(Invalid):
        Conversation(text)


def test_a_stream_that_breaks_off_was_stopped_not_finished() -> None:
    draft = Draft(Arm.FINETUNED)
    for event in (
        Started(Arm.FINETUNED, 9),
        ThinkingText(Arm.FINETUNED, "Fever. "),
        AnswerText(Arm.BASELINE, "x"),
    ):
        draft.take(event)
    kept = draft.answer()
    assert (kept.thinking, kept.text, kept.finish, kept.thought, kept.closed) == (
        "Fever. ",
        "",
        Finish.CANCELLED,
        True,
        False,
    )


def test_a_finished_and_a_failed_answer_say_so() -> None:
    draft = Draft(Arm.BASELINE)
    draft.take(AnswerText(Arm.BASELINE, "Meningitis."))
    draft.take(Finished(Arm.BASELINE, Finish.STOP, Counts(5, 0, 3), Timings(0.1, 0, 1.0), False, False))
    assert draft.answer() == Answer(
        "", "Meningitis.", Finish.STOP, "", False, False, Counts(5, 0, 3), Timings(0.1, 0, 1.0)
    )
    broken = Draft(Arm.BASELINE)
    broken.take(Failed(Arm.BASELINE, "Out of memory."))
    assert (broken.answer().finish, broken.answer().fault) == (Finish.FAILED, "Out of memory.")


def test_provenance_survives_its_stored_form() -> None:
    model = ModelProvenance("base", "main", "aa", "adapter", "bb", "bfloat16", "cc", "local", "passed", {"t": "1"})
    for arm in ARMS:
        proof = Provenance(model, arm, Sampling(seed=7), "Be brief.")
        assert Provenance.from_dict(proof.as_dict()) == proof
        assert proof.as_dict()["adapter_active"] is (arm is Arm.FINETUNED)


@pytest.mark.parametrize("case_id", ["", "a b", "../x", "x" * 65, "é"])
def test_a_case_id_is_a_plain_word(case_id: str) -> None:
    with pytest.raises(Invalid, match="case_id"):
        Case(case_id, "text")


def test_roles_do_what_the_design_says() -> None:
    may = {role: {action for action in Action if User(1, "u", role).may(action)} for role in Role}
    assert may[Role.ADMIN] == set(Action)
    assert may[Role.ENGINEER] == {Action.TRAIN, Action.COMPARE, Action.RESULTS}
    assert may[Role.LEAD] == {Action.COMPARE, Action.RESULTS, Action.RATE, Action.STUDIES}
    assert may[Role.RATER] == {Action.RATE, Action.COMPARE}
    with pytest.raises(NotAllowed, match="rater"):
        User(1, "u", Role.RATER).require(Action.TRAIN)
    assert User(1, "u", Role.RATER).compares_blind_only


def test_words_without_tokens_were_not_counted() -> None:
    def said(thinking: str, text: str, *tokens: int) -> bool:
        return Answer(thinking, text, Finish.STOP, counts=Counts(9, *tokens)).counted

    assert said("t", "x", 3, 3) and said("", "x", 0, 3) and said("t", "", 3, 0) and said("", "", 0, 0)
    assert not (said("t", "x", 0, 6) or said("t", "x") or said("", "x") or said("t", ""))


def test_claimed_models_are_told_apart_by_who_claims_them() -> None:
    def claimed(adapter: str, server: str) -> ModelProvenance:
        return ModelProvenance("base", "", "", adapter, "", "as served", "", "openai", "passed", {}, server)

    assert claimed("tuned", "one").finetuned_identity == claimed("tuned", "one").finetuned_identity != ""
    others = {claimed(adapter, server).finetuned_identity for adapter in ("a", "b") for server in ("one", "two")}
    assert len(others) == 4
