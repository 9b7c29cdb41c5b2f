"""Rows and cases read from files: checked, drawn, split, compared. Nothing here knows of models or pages."""
