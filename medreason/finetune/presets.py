"""Named starting points for a run. Which of them suits a machine is not known here."""

from medreason.domain.training import TrainingConfig

CPU_DEMO = "CPU demo"

PRESETS: dict[str, TrainingConfig] = {CPU_DEMO: TrainingConfig()}
