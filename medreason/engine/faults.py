"""What went wrong while loading or answering, in a sentence for the reader; the log has the rest."""

import torch

from medreason.errors import MedReasonError

NOT_FINITE = "The model's output holds numbers that are not finite. Ask again."


def out_of_memory(fault: BaseException) -> bool:
    # On the CPU torch says it as a plain RuntimeError.
    return isinstance(fault, torch.cuda.OutOfMemoryError | MemoryError) or "allocate memory" in str(fault)


def plain(fault: BaseException) -> str:
    if isinstance(fault, MedReasonError):
        return str(fault)
    if out_of_memory(fault):
        return "The memory did not suffice. Ask for a shorter answer, or end what else uses the memory."
    return "The model stopped because of an unexpected fault; the log says more. Ask again."


def gpu_is_lost() -> bool:
    """Whether the GPU answers nothing any more: after some faults every call fails until the process ends."""
    if not torch.cuda.is_available() or not torch.cuda.is_initialized():
        return False
    try:
        torch.cuda.synchronize()
    except RuntimeError:
        return True
    return False
