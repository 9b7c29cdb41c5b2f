"""Likely patient identifiers are found, and clinical prose is left alone."""

import pytest

from medreason import demo
from medreason.data.cases import load_cases
from medreason.text.identifiers import in_words, likely_identifiers


@pytest.mark.parametrize(
    ("text", "kinds"),
    [
        ("Patient John Doe MRN 12345", "a name and a record number"),
        ("Mrs. Müller-Lüdenscheidt came back", "a name"),
        ("patient: Zoë Ångström, seen today", "a name"),
        ("Her name is Jane Roe.", "a name"),
        ("Medical record number: AB-123456", "a record number"),
        ("chart no. 0012345", "a record number"),
        ("insurance no. A123456789", "an insurance number"),
        ("NHS number 943 476 5919", "an insurance number"),
        ("SSN 123-45-6789", "a social security number"),
        ("social security number 123 45 6789", "a social security number"),
        ("write to jane.roe+ward@clinic.example.org", "an e-mail address"),
        ("call (555) 123-4567 or +44 20 7946 0958", "a telephone number"),
        ("tel. 089 1234567", "a telephone number"),
        ("DOB: 03/05/1961", "a date of birth"),
        ("born on 3 May 1961", "a date of birth"),
        ("date of birth 1961-05-03", "a date of birth"),
    ],
)
def test_what_likely_identifies_somebody_is_found(text, kinds):
    found = likely_identifiers(text)
    assert in_words(found) == kinds
    assert all(0 <= one.start < one.end <= len(text) for one in found)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "A 57-year-old lighthouse painter has ninety minutes of chest pain. Pulse 46, blood pressure 84/50.",
        "Nitrofurantoin 100 mg twice daily for five days; trough 10-15 mg/l; INR 2.0-3.0; NNT 120.",
        "Patient with Crohn disease; the patient has Graves disease; Wilson disease is unlikely.",
        "N Engl J Med 2019;381:1995-2008, doi 10.1056/NEJMoa1911303, the 2023 ESC guideline.",
        "The hospital 2019 guideline, policy 2011, member of staff 2024.",
        "pH 7.21, PaCO2 30, HCO3 12, lactate 4.8; CT 120-80-12; ECG leads II, III and aVF.",
    ],
)
def test_clinical_prose_is_left_alone(text):
    assert likely_identifiers(text) == ()


def test_a_long_text_is_read_quickly():
    assert likely_identifiers("1 (2) 3 - 4 . Mr " * 3000) is not None


def test_the_embedded_cases_are_left_alone():
    assert [case.case_id for case in load_cases(demo.CASES) if likely_identifiers(case.text)] == []
