"""A training run as a value: every setting once, and what a run can be seen doing."""

import re
from dataclasses import dataclass
from enum import StrEnum

from medreason.domain.setting import check_settings, setting

RUN_NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,63}")


@dataclass(frozen=True)
class TrainingConfig:
    """Everything that decides what a run does. The defaults are the CPU demo preset: a short run on the
    embedded model and the embedded curriculum."""

    run_name: str = setting(
        "demo",
        "Run name",
        "A short name for this run. Letters, digits, dots, dashes, underscores.",
        group="Run",
    )
    base_model: str = setting(
        "embedded",
        "Base model",
        "“embedded” for the small model that comes with MedReason, a hub id, or a folder.",
        group="Model",
    )
    revision: str = setting(
        "",
        "Revision",
        "Hub revision (commit or tag) of the base model. Empty means the newest.",
        group="Model",
        advanced=True,
    )
    quantization: str = setting(
        "none",
        "Quantization",
        "nf4 keeps the base in 4 bits (QLoRA, for a GPU); none keeps it in 16 bits.",
        group="Model",
        choices=("none", "nf4"),
        advanced=True,
    )
    data: str = setting(
        "curriculum",
        "Training data",
        "“curriculum” for the embedded cases, or a JSONL file with Question, Complex_CoT, Response.",
        group="Data",
    )
    max_rows: int = setting(
        56,
        "Rows to use",
        "How many rows to train on, drawn evenly over the specialties. 0 means all.",
        group="Data",
        minimum=0,
        maximum=1_000_000,
    )
    eval_fraction: float = setting(
        0.05,
        "Held-out share",
        "Share of the rows kept aside to measure the loss on unseen rows.",
        group="Data",
        minimum=0,
        maximum=0.5,
        advanced=True,
    )
    max_length: int = setting(
        512,
        "Longest row in tokens",
        "Longer rows lose their end; the run's log says how many do.",
        group="Data",
        minimum=32,
        maximum=32768,
    )
    epochs: float = setting(
        2.0,
        "Passes over the data",
        "How often each row is seen.",
        minimum=0.01,
        maximum=100,
    )
    max_steps: int = setting(
        0,
        "Stop after steps",
        "End after this many steps. 0 means all passes are made.",
        minimum=0,
        maximum=1_000_000,
        advanced=True,
    )
    learning_rate: float = setting(
        4e-3,
        "Learning rate",
        "Size of a step. 0.0001 to 0.001 is usual; the small embedded model learns a trace in few rows at 0.004.",
        minimum=1e-7,
        maximum=1.0,
    )
    batch_size: int = setting(
        1,
        "Rows at once",
        "Rows in memory at the same time.",
        minimum=1,
        maximum=512,
        advanced=True,
    )
    accumulation: int = setting(
        1,
        "Batches a step",
        "Batches gathered before each step.",
        minimum=1,
        maximum=1024,
        advanced=True,
    )
    lora_rank: int = setting(
        16,
        "LoRA rank",
        "Size of the adapter. Larger learns more and takes more memory.",
        minimum=1,
        maximum=512,
        advanced=True,
    )
    lora_alpha: int = setting(
        32,
        "LoRA alpha",
        "Strength of the adapter; twice the rank is usual.",
        minimum=1,
        maximum=2048,
        advanced=True,
    )
    lora_dropout: float = setting(
        0.0,
        "LoRA dropout",
        "Share of the adapter's input left out at random while training.",
        minimum=0.0,
        maximum=0.9,
        advanced=True,
    )
    target_modules: str = setting(
        "q_proj,v_proj",
        "Adapted layers",
        "Layers that get an adapter, comma separated, or “all-linear”.",
        advanced=True,
    )
    warmup_share: float = setting(
        0.03,
        "Warm-up share",
        "Share of the steps in which the learning rate rises.",
        minimum=0.0,
        maximum=0.5,
        advanced=True,
    )
    scheduler: str = setting(
        "cosine",
        "Learning-rate curve",
        "How the learning rate falls after the warm-up.",
        choices=("cosine", "linear", "constant"),
        advanced=True,
    )
    optimizer: str = setting(
        "adamw_torch",
        "Optimizer",
        "paged_adamw_8bit saves memory on a GPU.",
        choices=("adamw_torch", "adamw_torch_fused", "paged_adamw_8bit"),
        advanced=True,
    )
    weight_decay: float = setting(
        0.01,
        "Weight decay",
        "Pulls the adapter's weights towards zero.",
        minimum=0.0,
        maximum=1.0,
        advanced=True,
    )
    max_grad_norm: float = setting(
        1.0,
        "Largest gradient norm",
        "Larger gradients are scaled down to this.",
        minimum=0.01,
        maximum=100.0,
        advanced=True,
    )
    gradient_checkpointing: bool = setting(
        False,
        "Gradient checkpointing",
        "Saves memory for about a third more time.",
        advanced=True,
    )
    seed: int = setting(
        42,
        "Seed",
        "The same seed and data give the same run on the same machine.",
        minimum=0,
        maximum=2**31 - 1,
        advanced=True,
    )

    def __post_init__(self) -> None:
        checks = check_settings(self)
        checks.require(
            isinstance(self.run_name, str) and RUN_NAME.fullmatch(self.run_name) is not None,
            "Run name",
            self.run_name,
            "use 1 to 64 letters, digits, dots, dashes or underscores, not starting with a dot",
        )
        layers = str(self.target_modules).split(",")
        checks.require(
            all(re.fullmatch(r"\s*[A-Za-z0-9_.-]+\s*", layer) for layer in layers),
            "Adapted layers",
            self.target_modules,
            "give layer names such as q_proj,v_proj",
        )
        checks.done()


class RunState(StrEnum):
    """What a run is doing. LOST: its process is gone and left no word of how it ended."""

    QUEUED = "queued"
    LOADING = "loading"
    TRAINING = "training"
    SAVING = "saving"
    COMPLETED = "completed"
    STOPPED = "stopped"
    FAILED = "failed"
    LOST = "lost"

    @property
    def ended(self) -> bool:
        return self in (RunState.COMPLETED, RunState.STOPPED, RunState.FAILED, RunState.LOST)


@dataclass(frozen=True)
class LossPoint:
    """Loss after one step; `held_out` says that it was measured on the held-out rows."""

    step: int
    loss: float
    held_out: bool = False


@dataclass(frozen=True)
class RunStatus:
    """A run as its files tell it. Times are seconds; `seconds_left` is None while it cannot be told.
    `message` is one plain sentence on what happens or went wrong."""

    name: str
    state: RunState
    step: int = 0
    total_steps: int = 0
    elapsed_s: float = 0.0
    seconds_left: float | None = None
    losses: tuple[LossPoint, ...] = ()
    message: str = ""
    log_tail: str = ""
    adapter: str = ""
    started_at: str = ""
