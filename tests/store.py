"""Makes a store with people, pairs and ratings for tests; every call uses the real code."""

import functools
import tempfile
from pathlib import Path

from medreason.domain.answers import Answer, Counts, Finish
from medreason.domain.arms import ARMS, SIDES, Arm
from medreason.domain.instrument import AXES
from medreason.domain.provenance import ModelProvenance, Provenance
from medreason.domain.rating import Rating, Score
from medreason.domain.sampling import Sampling
from medreason.domain.user import Role, User
from medreason.services.collections import Collections
from medreason.services.planning import Planning
from medreason.services.rating import RatingService
from medreason.services.results import Results
from medreason.storage.database import Database
from medreason.storage.pairs import Pair, Pairs
from medreason.storage.people import People
from medreason.storage.ratings import Ratings
from medreason.storage.study_store import StudyStore

MODEL = ModelProvenance(
    base_model="some/base",
    base_revision="r1",
    base_sha256="b" * 64,
    adapter="canary-adapter",
    adapter_sha256="a" * 64,
    precision="float32",
    template_sha256="t" * 64,
    engine="scripted",
    self_test="passed",
    versions={"torch": "0"},
)


def proof(arm: Arm) -> Provenance:
    return Provenance(MODEL, arm, Sampling())


def rating(
    left: int | None = 3, right: int | None = 3, preference: int | None = 0, comment: str = "", key: str = ""
) -> Rating:
    """The same score on every axis of a side."""
    values = dict(zip(SIDES, (left, right), strict=True))
    scores = tuple(Score(side, axis, values[side]) for side in SIDES for axis in AXES)
    return Rating(scores, preference, comment, key)


@functools.cache
def empty() -> bytes:
    """A fresh database, migrated once for all tests."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "empty.db"
        Database.open(path).close()
        return path.read_bytes()


class Store:
    """One database with everything that stands on it, and one admin."""

    def __init__(self, place: Path | str):
        """`place`: a file, or the url of an empty database elsewhere."""
        if isinstance(place, Path) and not place.exists():
            place.write_bytes(empty())
        self.database = Database.open(place)
        self.people, self.pairs = People(self.database), Pairs(self.database)
        self.ratings = Ratings(self.database)
        self.rating = RatingService(self.pairs, self.ratings, self.people, StudyStore.on(self.database))
        planning = Planning(lambda key: None)
        studies = StudyStore.on(self.database)
        collections = Collections(studies, self.pairs, self.ratings, self.people, (), planning)
        beside = place if isinstance(place, Path) else Path("nowhere")
        self.results = Results(collections, beside.with_name("models"))
        self.admin: User = self.people.find("admin") or self.people.add("admin", Role.ADMIN)

    def pair(
        self,
        case_id: str | None = "case-1",
        left: Arm = Arm.BASELINE,
        blinded: bool = True,
        user: User | None = None,
        finishes: tuple[Finish, Finish] = (Finish.STOP, Finish.STOP),
        counts: tuple[Counts, Counts] = (Counts(10, 0, 40), Counts(10, 90, 60)),
        conversation_id: int | None = None,
        answered: bool = True,
    ) -> Pair:
        begun = self.pairs.begin(
            user_id=(user or self.admin).id,
            conversation_id=conversation_id,
            case_id=case_id,
            question="What is the likely cause?",
            system_prompt="",
            sampling=Sampling(),
            left=left,
            blinded=blinded,
        )
        for arm, finish, count in zip(ARMS, finishes, counts, strict=True):
            if answered:
                fault = "out of memory" if finish is Finish.FAILED else ""
                thought = arm is Arm.FINETUNED
                said = Answer("Hm." if thought else "", "Gout.", finish, fault, thought, thought, count)
                self.pairs.save_answers(begun.id, {arm: (said, proof(arm))})
        return self.pairs.get(begun.id)

    def older_rating(self, user: User, name: str, pair_id: int, given: Rating) -> None:
        """A rating as the program stored them before there were judgements; those of then are still read."""
        self.ratings.append(pair_id, self.people.rater(user.id, name).id, given)
        self.pairs.reveal(pair_id)

    def close(self) -> None:
        self.database.close()
