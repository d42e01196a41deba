"""Independent references: slow, exact, written from the schemes' docstrings and nothing else of ours."""
