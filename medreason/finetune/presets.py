"""Named starting points for a run, each also a file in `training_scripts/configs`. Which of them suits a machine
is not known here."""

from dataclasses import dataclass, replace

from medreason.domain.dataset import DEFAULT_CONFIG, DEFAULT_DATASET
from medreason.domain.training import TrainingConfig
from medreason.models.base import LARGER_MODEL

QWEN3_8B_REVISION = "b968826d9c46dd6066d109eabc6255188de91218"
CPU_DEMO = "CPU demo"
ARTICLE = "Article"
ARTICLE_LONGER = "Article, longer"
ARTICLE_AS_WRITTEN = "Article, as written"
BALANCED = "Balanced"
FAST = "Fast 80 GB"
SMALL_GPU = "Small GPU"

_ARTICLE = TrainingConfig(
    run_name="article",
    base_model=LARGER_MODEL,
    revision=QWEN3_8B_REVISION,
    quantization="nf4",
    data=DEFAULT_DATASET,
    data_config=DEFAULT_CONFIG,
    min_thinking_chars=200,
    max_rows=5000,
    eval_fraction=0.05,
    max_length=1024,
    epochs=3.0,
    learning_rate=2e-4,
    batch_size=2,
    accumulation=16,
    lora_rank=8,
    lora_alpha=16,
    lora_dropout=0.05,
    target_modules="q_proj,v_proj",
    warmup_share=0.03,
    scheduler="cosine",
    optimizer="paged_adamw_8bit",
    weight_decay=0.01,
    max_grad_norm=1.0,
    gradient_checkpointing=True,
    attention="masked",
    fused_lora=False,
    compiled_parts=False,
    fused_loss=False,
    cuda_graphs=False,
    log_every=50,
    save_every=300,
    keep_checkpoints=3,
    best_by_held_out=True,
    loader_workers=2,
    tensorboard=True,
    seed=42,
)
# Rows packed to 8,192 tokens keep the GPU busy; two of them a step hold about as many rows as the article's step.
_BALANCED = replace(
    _ARTICLE,
    run_name="balanced",
    max_rows=0,
    max_length=8192,
    packing=True,
    epochs=2.0,
    batch_size=1,
    accumulation=2,
    lora_rank=32,
    lora_alpha=64,
    lora_dropout=0.0,
    target_modules="all-linear",
    optimizer="adamw_torch_fused",
    keep_attention=True,
    attention="by document",
    fused_lora=True,
    compiled_parts=True,
    fused_loss=True,
    cuda_graphs=True,
    log_every=0,
    save_every=200,
    tensorboard=False,
)


@dataclass(frozen=True)
class Preset:
    """`about` says in one sentence whom it suits; `file` is its name below `training_scripts/configs`."""

    config: TrainingConfig
    about: str
    file: str


DESCRIBED: dict[str, Preset] = {
    CPU_DEMO: Preset(
        TrainingConfig(),
        "A short run on the embedded model and the embedded curriculum, for a computer without a GPU.",
        "demo_form.yaml",
    ),
    ARTICLE: Preset(
        _ARTICLE,
        "The article's recipe, in the format in which the model is asked and with the loss on the assistant's "
        "part.",
        "article.yaml",
    ),
    ARTICLE_LONGER: Preset(
        replace(_ARTICLE, run_name="article-longer", max_steps=500, accumulation=8),
        "The article's longer run: 500 steps of 16 rows.",
        "article_longer.yaml",
    ),
    ARTICLE_AS_WRITTEN: Preset(
        replace(_ARTICLE, run_name="article-as-written", text_format="article", drop_duplicates=False),
        "The article to the letter: its own text format, the loss on every token, duplicates kept.",
        "article_as_written.yaml",
    ),
    BALANCED: Preset(
        _BALANCED,
        "Every row, packed, with adapters on all linear layers: the one to start with on a GPU of 24 GB or more.",
        "balanced.yaml",
    ),
    FAST: Preset(
        replace(
            _BALANCED,
            run_name="fast",
            lora_rank=16,
            lora_alpha=32,
            checkpoint_as_needed=True,
            plain_weights=True,
            keep_attention=False,
        ),
        "As Balanced with smaller adapters and no more gradient checkpointing than memory asks for: the quickest, "
        "without any where 80 GB are free.",
        "fast_80gb.yaml",
    ),
    SMALL_GPU: Preset(
        replace(
            _BALANCED,
            run_name="small-gpu",
            max_rows=5000,
            max_length=4096,
            accumulation=4,
            lora_rank=16,
            lora_alpha=32,
            optimizer="paged_adamw_8bit",
            keep_attention=False,
            cuda_graphs=False,
        ),
        "For a GPU of 16 GB or more: short packed rows, and an optimizer in 8 bits.",
        "small_gpu.yaml",
    ),
}

PRESETS: dict[str, TrainingConfig] = {name: preset.config for name, preset in DESCRIBED.items()}
