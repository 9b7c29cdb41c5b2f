"""MedReason: does a fine-tuned model reason better about medicine than the model it came from?"""

__version__ = "0.1.0"
