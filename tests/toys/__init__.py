"""Two toy families that carry through the contract what the built-in ones do not need yet."""
