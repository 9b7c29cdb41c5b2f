"""What the hub answers where it gives nothing, in words. Knows the client's error types and nothing else."""

import logging

from medreason.errors import MedReasonError

log = logging.getLogger(__name__)


def in_words(fault: Exception, what: str, name: str, revision: str, unreachable: str) -> MedReasonError:
    """The sentence for `fault`, met when asking for `what` ("model", "data set") of that name. `unreachable` is
    said of everything that is not an answer: whatever the network throws, the client passes on as it comes."""
    from huggingface_hub import errors

    match fault:
        case errors.GatedRepoError():
            return MedReasonError(
                f"The hub gives the {what} {name} only to those who accepted its terms. Accept them there and set "
                "HF_TOKEN."
            )
        case errors.RepositoryNotFoundError():
            return MedReasonError(
                f"The hub knows no {what} {name}. Check the name, or set HF_TOKEN if it is private."
            )
        case errors.RevisionNotFoundError():
            return MedReasonError(
                f"The {what} {name} has no revision {revision[:80]}. Check it, or leave it empty for the newest."
            )
    log.warning("Asking the hub for %s failed", name, exc_info=fault)
    return MedReasonError(unreachable)
