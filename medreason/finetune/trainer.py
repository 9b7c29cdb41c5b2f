"""TRL's trainer, made to keep its word: checkpoints that are whole, a held-out loss that is a mean over tokens,
measuring that leaves the run's random numbers alone, and the same steps however many processes share them.
"""

import shutil
from pathlib import Path
from typing import Any

import torch
from trl import SFTTrainer

from medreason.domain.run import RunState
from medreason.finetune.callbacks import CutShort, Reporter
from medreason.finetune.checkpoints import (
    RANDOM,
    TRAINER,
    WEIGHTS,
    Marker,
    begin,
    is_whole,
    keep,
    place_of,
    rotate,
)
from medreason.finetune.examples import IGNORED
from medreason.finetune.fast import loss
from medreason.finetune.fast.checkpointing import FirstLayers
from medreason.finetune.randomness import RandomState, kept_random_state
from medreason.finetune.record import Made
from medreason.finetune.sharing import dealt
from medreason.finetune.weights import load_exact, save_exact


class RunTrainer(SFTTrainer):
    """Trains in the folder `run`. `training_before_s` are the seconds of steps of earlier starts; at most `most`
    checkpoints are kept. Where gradients are checkpointed, they are in the first `checkpointed_layers`."""

    def __init__(
        self,
        *,
        reporter: Reporter,
        run: Path,
        made: Made,
        most: int,
        checkpointed_layers: int,
        training_before_s: float = 0.0,
        **more: Any,
    ):
        self.checkpointed_layers = checkpointed_layers
        self.reporter, self.run, self.made, self.most = reporter, run, made, most
        self.ranks = reporter.ranks
        self.training_before_s = training_before_s
        self._held_out_sum, self._held_out_tokens = 0.0, 0
        super().__init__(callbacks=[reporter, FirstLayers(checkpointed_layers)], **more)
        _switched_once(self.model)

    def evaluate(self, *args: Any, **more: Any) -> dict[str, float]:
        words = "Measuring the loss on the held-out rows."
        try:
            with self.reporter.aside(RunState.EVALUATING, words), kept_random_state():
                return super().evaluate(*args, **more)
        except CutShort:
            self.control.should_evaluate, self.control.should_training_stop = False, True
            return {}

    def begin_anew(self) -> None:
        """Where the held-out rows were measured before the first step, the library takes the model for one that is
        ready, and would train it in each process apart from the others, without a word."""
        if self.ranks.count > 1:
            self.accelerator.unwrap_model(self.model, keep_fp32_wrapper=False)
            self.accelerator._models.clear()
            self.model._is_accelerate_prepared = False

    def training_step(self, model: Any, inputs: dict[str, Any], *args: Any, **more: Any) -> Any:
        if self.ranks.count > 1 and model is self.model:
            raise RuntimeError("the processes of the run would each learn on their own")
        if self.args.include_num_input_tokens_seen == "no":
            self.state.num_input_tokens_seen += sum(self.ranks.gathered(inputs["input_ids"].numel()))
        return super().training_step(model, inputs, *args, **more)

    def floating_point_ops(self, inputs: dict[str, Any]) -> int:
        """Nobody asks for it, and it goes through all parameters in each batch."""
        return 0

    def compute_loss(
        self, model: Any, inputs: dict[str, Any], return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> Any:
        """Where batches say what is learned from them, the loss of the fast path: the library's would wait for the
        GPU four times a batch, to count tokens and what nobody asks it for."""
        learned = {name: inputs.pop(name) for name in (loss.PLACES, loss.WORDS) if name in inputs}
        if not learned or return_outputs or num_items_in_batch is None or not self.model.training:
            return super().compute_loss(model, inputs, return_outputs, num_items_in_batch)
        together = self.accelerator.num_processes if self.args.average_tokens_across_devices else 1
        learned[loss.SHARE] = together / torch.as_tensor(num_items_in_batch).clamp(min=1).float()
        given = {name: one for name, one in inputs.items() if name != "labels"}
        return model(**given, **learned, use_cache=False).loss

    def evaluation_loop(self, *args: Any, metric_key_prefix: str = "eval", **more: Any) -> Any:
        """The library's mean over batches counts a token of a short batch for more than one of a long batch, and
        so would change with the batch size."""
        self._held_out_sum, self._held_out_tokens = 0.0, 0
        found = super().evaluation_loop(*args, metric_key_prefix=metric_key_prefix, **more)
        measured = self.ranks.gathered((self._held_out_sum, self._held_out_tokens))
        if tokens := sum(one for _, one in measured):
            found.metrics[f"{metric_key_prefix}_loss"] = sum(loss for loss, _ in measured) / tokens
        return found

    def prediction_step(self, model: Any, inputs: dict[str, Any], *args: Any, **more: Any) -> Any:
        found = super().prediction_step(model, inputs, *args, **more)
        tokens = int((inputs["labels"][..., 1:] != IGNORED).sum())
        if tokens:
            self._held_out_sum += float(found[0]) * tokens
            self._held_out_tokens += tokens
        return found

    def _get_train_sampler(self, train_dataset: Any = None) -> Any:
        if self.ranks.count == 1:
            return super()._get_train_sampler(train_dataset)
        rows = self.train_dataset if train_dataset is None else train_dataset
        return dealt(rows, self.args.train_batch_size, self.ranks.count, self.args.data_seed)

    def _get_eval_sampler(self, eval_dataset: Any) -> Any:
        if self.ranks.count == 1:
            return super()._get_eval_sampler(eval_dataset)
        return dealt(eval_dataset, self.args.eval_batch_size, self.ranks.count)

    def _save_checkpoint(self, model: Any, trial: Any = None) -> None:
        """The library writes its files into a folder that nobody reads; from there they are kept whole. All
        processes know the same but for their random numbers, so the first one writes."""
        step = self.state.global_step
        if self.ranks.agreed(is_whole(place_of(self.run, step))):
            return
        random = self.ranks.gathered(RandomState.now().as_dict()) if self.ranks.count > 1 else []
        if not self.ranks.first:
            return
        with self.reporter.aside(RunState.SAVING, f"Saving the checkpoint of step {step}."):
            building = begin(self.run, step)
            try:
                save_exact(self.model, building / WEIGHTS)
                self._save_optimizer_and_scheduler(str(building))
                torch.save(random, building / RANDOM) if random else self._save_rng_state(str(building))
                self.state.save_to_json(str(building / TRAINER))
                keep(self.run, building, self._marker(step))
            finally:
                shutil.rmtree(building, ignore_errors=True)
            rotate(self.run, self.most)

    def _marker(self, step: int) -> Marker:
        measured = self.reporter.measured
        return Marker(
            step=step,
            held_out_loss=measured[1] if measured and measured[0] == step else None,
            elapsed_s=self.reporter.recorder.elapsed_s,
            training_s=self.training_before_s + self.reporter.busy_s,
            made=self.made.as_dict(),
        )

    def _load_rng_state(self, checkpoint: str | None) -> None:
        if self.ranks.count == 1 or checkpoint is None:
            return super()._load_rng_state(checkpoint)
        kept = torch.load(Path(checkpoint) / RANDOM, weights_only=True)
        RandomState.of_dict(kept[self.ranks.rank]).restore()

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: Any = None) -> None:
        """Only what `_save_checkpoint` wrote is read, never another file that lies there."""
        load_exact(self.model, Path(resume_from_checkpoint) / WEIGHTS)


def _switched_once(model: Any) -> None:
    """Have `model` go through its modules only where the mode changes: the library switches training on in each
    batch. Its own mode says nothing of theirs when the adapter was just put on."""
    usual = model.train
    last: bool | None = None

    def train(mode: bool = True) -> Any:
        nonlocal last
        if last is not mode:
            last = mode
            usual(mode)
        return model

    model.train = train
