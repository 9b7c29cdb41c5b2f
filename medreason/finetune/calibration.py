"""The constants by which memory, time and disk of a run are reckoned, each with where it comes from.

`training_scripts/benchmark.py memory` measures a real run beside its estimate; when the two drift apart, change
these.
"""

# Memory on a GPU, bytes.
NF4_BYTES = 0.5 + 1 / 64 + 4 / (64 * 256)
"""A weight in 4 bits with double quantization: half a byte, one byte for each 64 weights, and four for each 256 of
those (Dettmers et al. 2023, QLoRA, section 3)."""
BESIDE_NF4_BYTES = 2
"""A number of embedding, head and norms, and of what passes between layers, beside 4-bit layers: 2, as they are
stored; peft.prepare_model_for_kbit_training would raise them to 32 bits."""
LOSS_TILE = (4096, 32768)
"""Tokens and words that TRL's loss holds logits of at one time (trl 1.16, kernels/chunked_logprob.py)."""
OWN_LOSS_TILE = 1024
"""Tokens that the loss of the fast path holds logits of at one time, all words of each."""
CUDA_BYTES = 0.55e9
"""The CUDA context, its kernels, and the workspace of cuBLAS (32 MiB on an H100)."""

# Memory on a CPU, bytes.
PROCESS_BYTES = 0.6e9
"""Python with torch, transformers and TRL loaded, before any model."""
LOSS_COPIES_ON_CPU = 9
"""How often a tile of logits is there in 32 bits while its gradient is made (trl 1.16, _backward_tile)."""
HEAP_GAPS = 0.3
"""What the heap holds beyond what is in use, as a share of it (measured with the embedded model: 0.1 to 0.5)."""

# Time.
GPU_FLOPS = {
    "H100": 790e12,
    "H200": 790e12,
    "GH200": 790e12,
    "B200": 1800e12,
    "A100": 280e12,
    "A800": 280e12,
    "L40S": 290e12,
    "RTX 6000 Ada": 290e12,
    "A6000": 120e12,
    "A40": 120e12,
    "A10": 60e12,
    "L4": 55e12,
    "RTX 5090": 190e12,
    "RTX 4090": 150e12,
    "RTX 3090": 65e12,
}
"""Dense bf16 products a second, 32-bit sums. H100 and H200 as measured (8192 × 8192 × 8192); the others about nine
tenths of what their makers state."""
LINEAR_SHARE = 0.5
"""Share of that which the linear layers reach within a training step (measured on an H100 with rows of 8,192 and
16,384 packed tokens: 0.48 and 0.54)."""
MASKED_ATTENTION_SHARE = 0.15
"""The same for attention through a dense mask, which packed and padded rows have (fitted to 3,278 tokens a second
on an H100 at rows of 8,192)."""
LAUNCH_S = 0.0066
"""Least seconds of one decoder layer in one pass, however few tokens: starting its kernels from Python. It is the
processor's: 0.0077 at 2 × 1,024 tokens on one machine, 0.0054 on another."""
FAST_LINEAR_SHARE = 0.62
"""As `LINEAR_SHARE`, on the fast path with packed rows, everything beside the products included (measured on H200
of several hosts with CUDA graphs: 0.61 to 0.74 without checkpointing, 0.60 to 0.72 with)."""
FAST_LAUNCH_S = 0.0046
"""As `LAUNCH_S`, on the fast path (measured on an H200: 0.0042 at 512 tokens, 0.0048 at 4,096 with checkpointing).
CUDA graphs start a layer in no time."""
CORE_FLOPS = 35e9
"""Products a second of one CPU core in 32 bits within a training step (measured with the embedded model on two
cores: 22e9 on a slow machine, 54e9 on a quick one)."""
START_S = 25.0
"""Starting Python, torch and the trainer, and reading the data."""
LOAD_BYTES_A_S = 1.0e9
"""Reading and placing weights."""

# Lengths where nothing was counted.
MEAN_TOKENS, P95_TOKENS, LONGEST_TOKENS = 675.0, 926, 1080
"""Of 198 rows of FreedomIntelligence/medical-o1-reasoning-SFT (en) by Qwen3's own tokenizer, template included."""
CHARACTERS_A_TOKEN = 4.4
"""Of the same rows by the embedded model's tokenizer; 4.7 by Qwen3's, 3.9 for the embedded curriculum."""
TAUGHT_SHARE = 0.93
"""Share of a row's tokens that the loss is on in the chat format (the same rows)."""
PACKED_FULL = 0.98
"""How full packed rows are on average (best fit, rows of 2,048 tokens and more)."""

# Disk, bytes.
TOKENIZER_BYTES = 16e6
"""Tokenizer, chat template, configuration and manifest beside an adapter."""
LOG_BYTES = 5e6
"""Log and curves of a run."""
