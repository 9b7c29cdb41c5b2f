"""The curves of a run for TensorBoard, from the same points as `metrics.jsonl`."""

from pathlib import Path
from typing import Any

from medreason.errors import MedReasonError

FOLDER = "tensorboard"


def open_board(run: Path, from_step: int = 0) -> Any:
    """A writer into the run's folder; what an earlier start wrote after `from_step` is taken back. Raises
    `MedReasonError` where TensorBoard is not installed."""
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as fault:
        raise MedReasonError(
            "TensorBoard files need the package tensorboard, which is not installed. Install it with "
            "`pip install tensorboard`, or switch “TensorBoard files” off."
        ) from fault
    return SummaryWriter(log_dir=str(run / FOLDER), purge_step=from_step + 1 if from_step else None)


def draw(board: Any, step: int, loss: float, held_out: bool, more: dict[str, float | None]) -> None:
    """Add one point: the loss, and whatever else was measured with it."""
    part = "held_out" if held_out else "train"
    board.add_scalar(f"{part}/loss", loss, step)
    for name, value in more.items():
        if value is not None:
            board.add_scalar(f"{part}/{name}", value, step)
    board.flush()
