"""gemmsmith: matrix-multiply hardware for low-precision language models."""

__version__ = "0.1.0"
