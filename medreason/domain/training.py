"""What decides a training run: every setting once, with its label, help and limits."""

import re
from dataclasses import dataclass

from medreason.domain.setting import check_settings, setting

# Windows keeps some names for devices, whatever follows their dot.
RUN_NAME = re.compile(r"(?!(?i:con|prn|aux|nul|com[0-9]|lpt[0-9])(?:\.|\Z))[A-Za-z0-9_-][A-Za-z0-9._-]{0,63}")


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
        "“curriculum” for the embedded cases, the name of prepared data, a hub id, or a file.",
        group="Data",
    )
    data_config: str = setting(
        "",
        "Configuration of the data",
        "Which part of a hub data set, such as “en”. Empty where it has only one.",
        group="Data",
        advanced=True,
    )
    data_revision: str = setting(
        "",
        "Revision of the data",
        "Hub revision (commit or tag) of the data set. Empty means the newest.",
        group="Data",
        advanced=True,
    )
    columns: str = setting(
        "",
        "Columns",
        "Where the file names its columns otherwise, such as “Question=prompt, Complex_CoT=cot, Response=answer”.",
        group="Data",
        advanced=True,
    )
    skip_faulty_rows: bool = setting(
        False,
        "Leave faulty rows out",
        "Train on the good rows although some rows are faulty.",
        group="Data",
        advanced=True,
    )
    min_thinking_chars: int = setting(
        0,
        "Shortest thinking in characters",
        "Rows whose thinking is not longer than this are left out. 200 keeps traces that reason.",
        group="Data",
        minimum=0,
        maximum=1_000_000,
        advanced=True,
    )
    drop_duplicates: bool = setting(
        True,
        "Leave duplicates out",
        "Of rows with equal or nearly equal questions only the first is kept.",
        group="Data",
        advanced=True,
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
    text_format: str = setting(
        "chat",
        "Text format",
        "chat writes rows as the model will be asked, with the loss on the assistant's part alone; article writes "
        "them as the article does, with the loss on every token.",
        group="Data",
        choices=("chat", "article"),
        advanced=True,
    )
    packing: bool = setting(
        False,
        "Pack short rows together",
        "Fills each row of a batch with several short conversations, which never see each other. Faster on a GPU.",
        group="Data",
        advanced=True,
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
        group="Memory and speed",
        minimum=1,
        maximum=512,
        advanced=True,
    )
    accumulation: int = setting(
        1,
        "Batches a step",
        "Batches gathered before each step.",
        group="Memory and speed",
        minimum=1,
        maximum=1024,
        advanced=True,
    )
    gpus: int = setting(
        1,
        "GPUs to use",
        "How many GPUs of the machine train. They share the batches of each step, and each holds the whole base, "
        "unless it is split.",
        group="Memory and speed",
        minimum=1,
        maximum=64,
        advanced=True,
    )
    split_base: bool = setting(
        False,
        "Split the base over the GPUs",
        "Each GPU keeps its share of the base's layers and borrows the rest while it computes: for a model too "
        "large for one GPU. Slower; needs two or more GPUs.",
        group="Memory and speed",
        advanced=True,
    )
    lora_rank: int = setting(
        16,
        "LoRA rank",
        "Size of the adapter. Larger learns more and takes more memory.",
        group="Adapter",
        minimum=1,
        maximum=512,
        advanced=True,
    )
    lora_alpha: int = setting(
        32,
        "LoRA alpha",
        "Strength of the adapter; twice the rank is usual.",
        group="Adapter",
        minimum=1,
        maximum=2048,
        advanced=True,
    )
    lora_dropout: float = setting(
        0.0,
        "LoRA dropout",
        "Share of the adapter's input left out at random while training.",
        group="Adapter",
        minimum=0.0,
        maximum=0.9,
        advanced=True,
    )
    target_modules: str = setting(
        "q_proj,v_proj",
        "Adapted layers",
        "Layers that get an adapter, comma separated, or “all-linear”.",
        group="Adapter",
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
        group="Memory and speed",
        advanced=True,
    )
    checkpoint_as_needed: bool = setting(
        False,
        "Only as many layers as memory asks for",
        "With gradient checkpointing on a GPU: no more layers are checkpointed than the estimate of memory asks "
        "for.",
        group="Memory and speed",
        advanced=True,
    )
    keep_attention: bool = setting(
        False,
        "Keep what attention gave",
        "With gradient checkpointing and CUDA graphs: a little faster, for about two GB more with rows of 8,192.",
        group="Memory and speed",
        advanced=True,
    )
    plain_weights: bool = setting(
        False,
        "Make 4-bit layers plain once",
        "Keeps what the 4-bit layers stand for beside them, where the GPU has room for it without checkpointing: "
        "the same numbers, a little faster. Needs LoRA in one product and compiled norms and gates.",
        group="Memory and speed",
        advanced=True,
    )
    attention: str = setting(
        "by document",
        "Attention over packed rows",
        "by document computes nothing between two conversations of a packed row; masked is the library's own way. "
        "Only a GPU is asked.",
        group="Memory and speed",
        choices=("by document", "masked"),
        advanced=True,
    )
    fused_lora: bool = setting(
        True,
        "LoRA in one product",
        "Adds the adapter within the layer's own product: faster on a GPU, the same up to rounding. Not where "
        "dropout acts.",
        group="Memory and speed",
        advanced=True,
    )
    compiled_parts: bool = setting(
        True,
        "Compiled norms and gates",
        "Compiles what lies between the products on a GPU: faster, after some seconds of preparation.",
        group="Memory and speed",
        advanced=True,
    )
    fused_loss: bool = setting(
        True,
        "Loss in one go",
        "Makes the loss and its gradient together on a GPU, for which words are scored once instead of twice: "
        "faster, the same up to rounding. Needs LoRA in one product.",
        group="Memory and speed",
        advanced=True,
    )
    cuda_graphs: bool = setting(
        True,
        "CUDA graphs",
        "Starts all layers of a packed row at once on a GPU, which would wait for the start of each operation. "
        "Needs LoRA in one product, compiled norms and gates, and attention by document.",
        group="Memory and speed",
        advanced=True,
    )
    log_every: int = setting(
        0,
        "Log every so many steps",
        "How often the loss is written down. 0 chooses by the length of the run, at most ten.",
        group="Checkpoints and logs",
        minimum=0,
        maximum=10_000,
        advanced=True,
    )
    save_every: int = setting(
        0,
        "Evaluate and save every so many steps",
        "How often the held-out loss is measured and a checkpoint is kept. 0 means after each pass.",
        group="Checkpoints and logs",
        minimum=0,
        maximum=1_000_000,
        advanced=True,
    )
    keep_checkpoints: int = setting(
        3,
        "Checkpoints kept",
        "Older ones are removed, but never the newest and never the best.",
        group="Checkpoints and logs",
        minimum=1,
        maximum=100,
        advanced=True,
    )
    best_by_held_out: bool = setting(
        False,
        "Keep the best adapter",
        "The result is the checkpoint with the lowest held-out loss, instead of the last step.",
        group="Checkpoints and logs",
        advanced=True,
    )
    loader_workers: int = setting(
        0,
        "Loader processes",
        "Processes that prepare batches beside the training.",
        group="Memory and speed",
        minimum=0,
        maximum=32,
        advanced=True,
    )
    tensorboard: bool = setting(
        False,
        "TensorBoard files",
        "Also writes the curves for TensorBoard into the run's folder.",
        group="Checkpoints and logs",
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
