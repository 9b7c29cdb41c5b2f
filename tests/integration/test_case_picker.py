"""Cases are chosen by specialty; a case that was edited is the user's own."""

from medreason.data.cases import load_cases
from medreason.demo import CASES
from medreason.ui.case_picker import EVERY, choices, picked, specialties, unchanged

DECK = load_cases(CASES)


def test_every_case_is_under_its_specialty_and_under_all():
    named = [value for _, value in specialties(DECK)]
    assert named[0] == EVERY and named[1:] == sorted(set(named[1:]))
    by_specialty = [value for name in named[1:] for _, value in choices(DECK, name)[1:]]
    assert sorted(by_specialty) == sorted(case.case_id for case in DECK)
    assert len(choices(DECK, EVERY)) == len(DECK) + 1


def test_labels_are_words_and_short():
    for specialty in [value for _, value in specialties(DECK)]:
        for label, _ in choices(DECK, specialty):
            assert len(label) < 120
    assert choices(DECK, DECK[0].specialty)[0] == ("My own case", "")


def test_an_edited_case_is_the_users_own():
    case = DECK[0]
    assert unchanged(DECK, case.case_id, f" {case.text}\n") is case
    assert unchanged(DECK, case.case_id, case.text + " Now?") is None
    assert unchanged(DECK, "", case.text) is None and picked(DECK, None) is None
