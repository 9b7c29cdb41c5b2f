"""The nouns of the program: frozen values, checked on construction, with no input or output.

Nothing here knows of files, databases, models or pages. Ids and times belong to the store.
"""
