"""Run a small Llama checkpoint in numpy; its linear layers on floats, a golden model or the hardware."""
