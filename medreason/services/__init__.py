"""The verbs of the program: the only place where storage, engines, training and statistics meet."""
