"""A rating of the older table in the shape of the judgements that have followed it.

The older table is kept and read; what is new goes to the judgements.
"""

from medreason.domain.items import Phase
from medreason.domain.judgement import OVERALL, Given, Judgement, Preferred
from medreason.domain.rating import Rating


def as_judgement(rating: Rating) -> Judgement:
    """A rating of the older form as a judgement. Nobody was asked about invented content then."""
    return Judgement(
        Phase.WITH_TRACE,
        tuple(Given(one.side, str(one.axis), one.value) for one in rating.scores),
        preferred=(Preferred(OVERALL, rating.preference),),
        comment=rating.comment,
        idempotency_key=rating.idempotency_key,
    )
