"""Behavioural models that the bus and stream tests share."""
