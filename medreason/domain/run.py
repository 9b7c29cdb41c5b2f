"""What a training run can be seen doing, and what it has left on disk."""

from dataclasses import dataclass
from enum import StrEnum


class RunState(StrEnum):
    """What a run is doing. LOST: its process is gone and left no word of how it ended."""

    QUEUED = "queued"
    LOADING = "loading"
    TRAINING = "training"
    EVALUATING = "evaluating"
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
    """What was measured after one step; `held_out` says that the loss is that of the held-out rows. What a point
    does not know is None. `tokens_per_s` counts tokens without padding since the point before, evaluation and
    saving left out; `gpu_memory_gib` is the highest so far."""

    step: int
    loss: float
    held_out: bool = False
    epoch: float | None = None
    learning_rate: float | None = None
    grad_norm: float | None = None
    tokens_per_s: float | None = None
    gpu_memory_gib: float | None = None
    elapsed_s: float | None = None


@dataclass(frozen=True)
class Checkpoint:
    """A state that a run can go on from. `whole` is False where its marker is missing or its files do not agree
    with it; `fault` then says in words what is wrong."""

    step: int
    whole: bool
    held_out_loss: float | None = None
    fault: str = ""


@dataclass(frozen=True)
class RunStatus:
    """A run as its files tell it. `name` is that of its folder and never changes; `title` is what people call it.
    Times are seconds, over all its starts; `seconds_left` goes by this start alone and is None while it cannot be
    told. `message` is one plain sentence on what happens or went wrong. `adapter` is empty while none is kept; a
    stopped run may have kept one. `resume_blocked` says why an ended run cannot go on; empty where it can.
    `elsewhere` names the cluster that it runs on; empty for this computer. `followable` says that its job there
    may still be found, although nobody follows it."""

    name: str
    state: RunState
    step: int = 0
    total_steps: int = 0
    epoch: float | None = None
    elapsed_s: float = 0.0
    seconds_left: float | None = None
    losses: tuple[LossPoint, ...] = ()
    message: str = ""
    log_tail: str = ""
    adapter: str = ""
    started_at: str = ""
    title: str = ""
    checkpoints: tuple[Checkpoint, ...] = ()
    resume_blocked: str = ""
    resumed_from: int | None = None
    elsewhere: str = ""
    followable: bool = False

    @property
    def can_resume(self) -> bool:
        if not self.state.ended or self.resume_blocked:
            return False
        return self.followable or any(one.whole for one in self.checkpoints)

    @property
    def shown_name(self) -> str:
        return self.title or self.name
