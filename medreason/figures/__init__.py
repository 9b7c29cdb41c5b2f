"""Figures of an evaluation: numbers and names in, SVG or PNG out. Know nothing of statistics, store or page."""
