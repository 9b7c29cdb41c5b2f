"""The fast path of training on a GPU: levers put on the model that TRL's trainer trains, each to be left out."""
