"""Results: what may be seen of a collection of ratings, and the files to hand over.

Everything rests on ratings that are in. Numbers are computed aside and kept by what they rest on, so a page
asks again until they are ready.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from medreason.domain.pack import LIVE, PackData
from medreason.domain.user import User
from medreason.services.assessing import Assessment, assess
from medreason.services.assessments import WAIT_S, Kept, content_key
from medreason.services.case_view import CaseView, case_view
from medreason.services.collected import pack_of
from medreason.services.collections import Collection, Collections
from medreason.services.filtering import Choices, Filters, choices, filtered, left_out
from medreason.services.pack.writing import pack
from medreason.services.weights_memory import weights_memory
from medreason.stats.bootstrap import DEFAULT, Resampling

EVERYTHING = Filters()


@dataclass(frozen=True)
class ResultsView:
    """What the page shows. `made` is None while it is being computed. `whole` is everything that could be
    chosen, `left_out` what the filters leave out, `memory` what the weights behind the answers take."""

    data: PackData
    choices: Choices
    left_out: str
    made: Assessment | None
    memory: tuple[str, ...] = ()


class Results:
    def __init__(self, collections: Collections, models: Path, resampling: Resampling = DEFAULT):
        """`models` is the folder of the bases that were quantized here."""
        self._collections = collections
        self._models = models
        self._resampling = resampling
        self._assessments: Kept[Assessment] = Kept()
        self._packs: Kept[bytes] = Kept(2)

    def collections(self, user: User) -> tuple[Collection, ...]:
        """Every study that the user may see, the newest first, then the live pairs."""
        return self._collections.collections(user)

    def data(self, user: User, collection: str = LIVE) -> PackData:
        """All of a collection at one moment. Raises `NotFound` for one that is not there, `NotAllowed` where the
        user may not see it yet."""
        return pack_of(self._collections.records(user, collection))

    def view(
        self, user: User, collection: str = LIVE, filters: Filters = EVERYTHING, wait_s: float = WAIT_S
    ) -> ResultsView:
        """What can be said now; numbers that take longer than `wait_s` are there the next time."""
        whole = self.data(user, collection)
        part = filtered(whole, filters)
        return ResultsView(
            data=part,
            choices=choices(whole),
            left_out=left_out(whole, part, filters),
            made=self._assessments.ask(content_key(part), self._assessing(part), wait_s),
            memory=weights_memory(part, self._models),
        )

    def case(self, user: User, collection: str, filters: Filters, case_id: str) -> CaseView:
        """One case with its texts. Raises `NotAllowed` before unblinding."""
        return case_view(filtered(self.data(user, collection), filters), case_id)

    def pack(self, user: User, collection: str = LIVE, texts: bool = True, wait_s: float = WAIT_S) -> bytes | None:
        """The whole collection as a zip, unfiltered; None while it is being made."""
        data = self.data(user, collection)

        def make() -> bytes:
            return pack(assess(data, self._resampling), texts)

        return self._packs.ask(content_key(data, texts), make, wait_s)

    def key(self, user: User, collection: str) -> dict[str, str]:
        """Which of X and Y is which arm; asking is recorded. Raises `NotAllowed` before unblinding."""
        return self._collections.key(user, collection)

    def _assessing(self, data: PackData) -> Callable[[], Assessment]:
        return lambda: assess(data, self._resampling)
