"""Everything a page may call, in one place."""

from dataclasses import dataclass

from medreason.domain.case import Case
from medreason.services.comparing import Comparing
from medreason.services.people import PeopleService
from medreason.services.rating import RatingService
from medreason.services.results import Results
from medreason.services.serving import Serving
from medreason.services.training import Training


@dataclass(frozen=True)
class Services:
    """The services and the case deck, made once by `app.py` and passed to the pages."""

    people: PeopleService
    serving: Serving
    comparing: Comparing
    rating: RatingService
    results: Results
    training: Training
    cases: tuple[Case, ...]
