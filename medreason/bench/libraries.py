"""The article's recipe with the libraries as they come: PEFT's preparation of the base and TRL's trainer, with
nothing of this project between them but the tokens, which are those of its own runs. What somebody has who follows
the article by hand, to compare presets with; run as a module, in a process of its own.
"""

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from medreason.arguments import Parser, data_folder
from medreason.bench.memory_runs import LOGGED
from medreason.data.training_rows import rows_for
from medreason.domain.training import TrainingConfig
from medreason.errors import MedReasonError
from medreason.finetune.config_file import read_config
from medreason.finetune.recipe import lora_settings, trainer_settings
from medreason.finetune.task import to_learn
from medreason.folder import DataFolder
from medreason.models.base import load_base, resolve_base

# What the project's own runs set for speed or for its own record; here the libraries decide.
LEFT_TO_THEM = ("accelerator_config", "include_num_input_tokens_seen")


def timed_steps(config: TrainingConfig, folder: DataFolder) -> dict[str, Any]:
    """`points`: [step, tokens without padding since the start, seconds since the start], every `LOGGED` steps and
    after the last; `memory_gb`: the most the GPU had allocated, 0 without one. Raises `MedReasonError` where base
    or rows cannot be had."""
    base = load_base(resolve_base(config.base_model, config.revision, folder, config.quantization))
    learned = to_learn(base, (row.texts for row in rows_for(config, folder).train), config)

    import torch
    from datasets import Dataset
    from peft import LoraConfig, get_peft_model, prepare_model_for_kbit_training
    from transformers import PrinterCallback, TrainerCallback
    from trl import SFTConfig, SFTTrainer

    points: list[list[float]] = []
    began = time.monotonic()

    class Clock(TrainerCallback):
        def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            control.should_log |= state.global_step >= state.max_steps

        def on_log(self, args: Any, state: Any, control: Any, logs: dict | None = None, **_: Any) -> None:
            if logs and "num_tokens" in logs and "loss" in logs:
                points.append([state.global_step, logs["num_tokens"], time.monotonic() - began])

    torch.manual_seed(config.seed)
    prepared = prepare_model_for_kbit_training(
        base.model, use_gradient_checkpointing=config.gradient_checkpointing
    )
    with tempfile.TemporaryDirectory(prefix="medreason-libraries-") as scratch:
        gpu = torch.cuda.is_available()
        settings = trainer_settings(config, Path(scratch), len(learned.rows), gpu)
        for name in LEFT_TO_THEM:
            del settings[name]
        trainer = SFTTrainer(
            model=get_peft_model(prepared, LoraConfig(**lora_settings(config))),
            args=SFTConfig(**settings | {"logging_strategy": "steps", "logging_steps": LOGGED}),
            train_dataset=Dataset.from_list(list(learned.rows)),
            processing_class=base.tokenizer,
            callbacks=[Clock()],
        )
        trainer.remove_callback(PrinterCallback)
        trainer.train()
    most = torch.cuda.max_memory_allocated() / 1e9 if gpu else 0.0
    return {"points": points, "memory_gb": most}


def main(arguments: Sequence[str]) -> int:
    parser = Parser(prog="libraries", description=__doc__)
    parser.add_argument("--config", type=Path, required=True, metavar="FILE", help="YAML file of the settings")
    parser.add_argument("--json", type=Path, required=True, metavar="FILE", help="file to write the times to")
    parser.add_data_dir()
    given: argparse.Namespace = parser.parse_args(arguments)
    try:
        found = timed_steps(read_config(given.config), data_folder(given))
    except MedReasonError as fault:
        print(fault, file=sys.stderr)
        return 2
    given.json.write_text(json.dumps(found) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
