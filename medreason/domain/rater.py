"""What raters say of themselves, once and if they like: profession, specialty, years in practice.

Chosen from lists, so that nothing is typed that could tell who somebody is.
"""

from dataclasses import dataclass

from medreason.domain.checks import Checks

MOST_YEARS = 80
PROFESSIONS = (
    "Consultant or attending physician",
    "Resident or registrar",
    "General practitioner",
    "Nurse or nurse practitioner",
    "Pharmacist",
    "Medical student",
    "Other health profession",
    "No health profession",
)
SPECIALTIES = (
    *("Anaesthesiology", "Cardiology", "Dermatology", "Emergency medicine", "Endocrinology", "Gastroenterology"),
    *("General practice", "Geriatrics", "Haematology", "Infectious diseases", "Intensive care"),
    *("Internal medicine", "Nephrology", "Neurology", "Obstetrics and gynaecology", "Oncology"),
    *("Ophthalmology", "Orthopaedics", "Otorhinolaryngology", "Paediatrics", "Pathology", "Pharmacology"),
    *("Psychiatry", "Public health", "Radiology", "Respiratory medicine", "Rheumatology", "Surgery"),
    *("Urology", "Another specialty"),
)


@dataclass(frozen=True)
class RaterFacts:
    """Each is empty where it was not told."""

    profession: str = ""
    specialty: str = ""
    years: int | None = None

    def __post_init__(self) -> None:
        checks = Checks()
        checks.choice("what you are by profession", self.profession, ("", *PROFESSIONS))
        checks.choice("specialty", self.specialty, ("", *SPECIALTIES))
        if self.years is not None:
            checks.number("years in practice", self.years, 0, MOST_YEARS, whole=True)
        checks.done()

    @property
    def told(self) -> bool:
        return self != NOTHING_TOLD


NOTHING_TOLD = RaterFacts()
