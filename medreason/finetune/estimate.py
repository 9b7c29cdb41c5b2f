"""What a run will need, put together: memory, time, disk. Each part comes with its formula; all are estimates.

The parts are reckoned in `memory_need`, `time_need` and `disk_need`, by the constants of `calibration`.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from medreason.domain.estimate import Estimate, Machine
from medreason.domain.training import TrainingConfig
from medreason.finetune.disk_need import disk_parts
from medreason.finetune.memory_need import checkpointed_layers, keeps_plain, memory_parts
from medreason.finetune.time_need import earlier_run, pass_seconds, time_parts
from medreason.finetune.workload import Workload
from medreason.models.base_shape import BaseShape


def estimate(
    config: TrainingConfig,
    shape: BaseShape | None,
    work: Workload,
    machine: Machine,
    manifests: Iterable[Mapping[str, Any]] = (),
    download: bool = False,
) -> Estimate:
    """The estimate for `work` on `machine`. Without a GPU, memory is the computer's own; where several share the
    work, that of one. A base of unknown shape leaves memory and disk empty. `manifests` are those of earlier runs
    here, newest first; `download` says that the base has yet to be fetched to the data folder's disk."""
    gpu = machine.gpus > 0
    again = checkpointed_layers(config, shape, work, gpu, machine.gpu_memory) if shape else 0
    plain = shape is not None and not again and keeps_plain(config, shape, work, gpu, machine.gpu_memory)
    earlier = earlier_run(manifests, config, machine)
    time = time_parts(config, shape, work, machine, earlier, again)
    return Estimate(
        gpu_memory=memory_parts(config, shape, work, gpu, again, plain) if shape else (),
        disk=disk_parts(config, shape, gpu, download) if shape else (),
        time=time,
        steps=work.steps(config),
        measured_by=earlier.name if earlier else "",
        pass_seconds=pass_seconds(config, work, time),
    )
