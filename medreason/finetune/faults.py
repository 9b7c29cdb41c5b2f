"""Plain sentences for what a library or the system threw while a run was at work."""

import errno

NO_ROOM = ("no space left", "file write failed", "disk quota exceeded", "file too large")


def in_words(fault: Exception) -> str:
    """What went wrong and what to do, for somebody who has not read a traceback."""
    text = str(fault).lower()
    number = fault.errno if isinstance(fault, OSError) else None
    if "out of memory" in text and "cuda" in text + type(fault).__name__.lower():
        return (
            "The GPU ran out of memory. End what else uses it, or use fewer rows at once, shorter rows, gradient "
            "checkpointing or nf4, then start again."
        )
    if isinstance(fault, MemoryError) or "can't allocate memory" in text or "not enough memory" in text:
        return "The computer ran out of memory. Use fewer rows at once or shorter rows, then start again."
    if number in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG) or any(words in text for words in NO_ROOM):
        return "The disk is full, so the run could not be written. Make room, then start again."
    if isinstance(fault, OSError) and fault.filename:
        return f"{fault.filename} cannot be used ({fault.strerror}). Check it, then start again."
    return f"The run ended with an unexpected fault ({type(fault).__name__}). Its log tells more."
