"""A base model of given sizes with random weights: for memory and speed, not for what it says. Importing this
loads no torch."""

from pathlib import Path

from medreason.errors import MedReasonError

ENDS = ("<|im_end|>", "<|endoftext|>")


def make_random_base(folder: Path, tokenizer_of: Path, **sizes: int | bool) -> Path:
    """Write a Qwen3 of these settings of `Qwen3Config` to `folder`, with the tokenizer of another folder, in bf16.
    Made on the GPU where there is one. Raises `MedReasonError` where there is no tokenizer."""
    import torch
    import transformers

    try:
        tokenizer = transformers.AutoTokenizer.from_pretrained(tokenizer_of, local_files_only=True)
    except (OSError, ValueError) as fault:
        raise MedReasonError(f"There is no tokenizer in {tokenizer_of}. Give the folder of Qwen3's.") from fault
    ends = [token for token in tokenizer.convert_tokens_to_ids(list(ENDS)) if token is not None]
    ends = ends or [tokenizer.eos_token_id]
    config = transformers.Qwen3Config(eos_token_id=ends[0], pad_token_id=ends[-1], **sizes)
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.bfloat16)
    try:
        with torch.device("cuda" if torch.cuda.is_available() else "cpu"):
            model = transformers.Qwen3ForCausalLM(config)
    finally:
        torch.set_default_dtype(before)
    model.generation_config = transformers.GenerationConfig(eos_token_id=ends, pad_token_id=ends[-1])
    model.save_pretrained(folder, max_shard_size="4GB")
    tokenizer.save_pretrained(folder)
    del model
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    return folder
