"""Proof of what produced an answer: weights, adapter, template, sampling, versions."""

from dataclasses import asdict, dataclass, field

from medreason.domain.arms import Arm
from medreason.domain.checks import Checks
from medreason.domain.sampling import Sampling


@dataclass(frozen=True)
class ModelProvenance:
    """What is loaded, the same for every answer until the adapter is switched.

    Hashes are SHA-256 in hex. `base_sha256` is over the weights' contents, `adapter_sha256` over the
    adapter's weight file, `template_sha256` over the chat template's text. `precision` is e.g.
    "bfloat16", "float32" or "nf4". `self_test` is the sentence of the self-test that these weights
    passed. `adapter_step` is the training step at which the adapter was kept, 0 where that is not known.
    `claimed_by` is empty where this program holds the weights itself, else who claims them: then the names are
    that server's own, the hashes empty, the precision "as served".
    """

    base_model: str
    base_revision: str
    base_sha256: str
    adapter: str
    adapter_sha256: str
    precision: str
    template_sha256: str
    engine: str
    self_test: str
    versions: dict[str, str] = field(default_factory=dict)
    claimed_by: str = ""
    adapter_step: int = 0

    @property
    def finetuned_identity(self) -> str:
        """What tells one fine-tuned model from another: the adapter's hash, or, where weights are only claimed,
        who claims them under which names."""
        claimed = f"{self.adapter} on {self.base_model}, {self.claimed_by}" if self.claimed_by else ""
        return self.adapter_sha256 or claimed

    def __post_init__(self) -> None:
        checks = Checks()
        for name in ("base_model", "precision", "engine"):
            checks.text(name.replace("_", " "), getattr(self, name), longest=1000)
        checks.done()


@dataclass(frozen=True)
class Provenance:
    """What produced one answer: the loaded model, whether the adapter acted, and how it was asked.

    `continued_at`: how many tokens the arm had said each time its answer was continued; empty where it was
    given in one go. `sampling.max_new_tokens` is then the sum of what was allowed."""

    model: ModelProvenance
    arm: Arm
    sampling: Sampling
    system_prompt: str = ""
    continued_at: tuple[int, ...] = ()

    @property
    def adapter_active(self) -> bool:
        return self.arm is Arm.FINETUNED

    def as_dict(self) -> dict[str, object]:
        """Plain values for storing as JSON; `from_dict` gives the same object back."""
        return {**asdict(self), "arm": str(self.arm), "adapter_active": self.adapter_active}

    @classmethod
    def from_dict(cls, stored: dict) -> "Provenance":
        return cls(
            model=ModelProvenance(**stored["model"]),
            arm=Arm(stored["arm"]),
            sampling=Sampling(**stored["sampling"]),
            system_prompt=stored["system_prompt"],
            continued_at=tuple(stored.get("continued_at", ())),
        )
