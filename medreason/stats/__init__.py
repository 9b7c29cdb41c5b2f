"""Numbers from ratings: plain values in, numbers out. Knows of no database and no page."""
