"""The files that a study hands over. `writing.pack` makes the zip; everything else makes one file of it."""
