"""Text to tokens and back."""

import codecs
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol

from gemmsmith_sim.llm.checkpoint import Checkpoint
from gemmsmith_sim.llm.errors import CheckpointError

__all__ = ["ByteTokenizer", "FileTokenizer", "Tokenizer", "load_tokenizer"]


class Tokenizer(Protocol):
    """What generation and perplexity need of a tokenizer."""

    def encode(self, text: str) -> list[int]:
        """Tokens of a text, with the tokens that the model expects in front of it."""

    def decode(self, tokens: Sequence[int]) -> str:
        """The text of tokens; bytes that are no UTF-8 become U+FFFD."""

    def stream(self, tokens: Iterable[int]) -> Iterator[str]:
        """Text pieces as tokens come in; a character spread over tokens is held back until it is whole."""


class ByteTokenizer:
    """Token = byte of the UTF-8 text."""

    def encode(self, text: str) -> list[int]:
        # Command-line arguments that were no UTF-8 arrive as surrogates: give their bytes back.
        return list(text.encode("utf-8", errors="surrogateescape"))

    def decode(self, tokens: Sequence[int]) -> str:
        return bytes(tokens).decode("utf-8", errors="replace")

    def stream(self, tokens: Iterable[int]) -> Iterator[str]:
        decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
        for token in tokens:
            if piece := decoder.decode(bytes([token])):
                yield piece
        if rest := decoder.decode(b"", final=True):
            yield rest


class FileTokenizer:
    """A Hugging Face ``tokenizer.json``, through the ``tokenizers`` library.

    Raises
    ------
    CheckpointError
        The library is not installed, the file is damaged, or it holds more tokens than ``vocab_size``.
    """

    def __init__(self, path: Path, *, vocab_size: int) -> None:
        try:
            import tokenizers
        except ImportError as error:
            raise CheckpointError(
                f"{path}: needs the tokenizers library, which is not installed: pip install 'gemmsmith[llm]'"
            ) from error
        try:
            self._tokenizer: Any = tokenizers.Tokenizer.from_file(str(path))
        except Exception as error:  # the library raises bare Exception
            raise CheckpointError(f"{path}: is not a tokenizer file: {error}") from error
        size = self._tokenizer.get_vocab_size()
        if size > vocab_size:
            raise CheckpointError(f"{path}: holds {size} tokens, the model's vocabulary only {vocab_size}")

    def encode(self, text: str) -> list[int]:
        return list(self._tokenizer.encode(text).ids)

    def decode(self, tokens: Sequence[int]) -> str:
        return str(self._tokenizer.decode(list(tokens)))

    def stream(self, tokens: Iterable[int]) -> Iterator[str]:
        # A token's text depends on its neighbours (spaces, split characters): decode all, show what is new.
        seen: list[int] = []
        shown = text = ""
        for token in tokens:
            seen.append(token)
            text = self.decode(seen)
            if len(text) > len(shown) and not text.endswith("\ufffd"):
                yield text[len(shown) :]
                shown = text
        if len(text) > len(shown):
            yield text[len(shown) :]


def load_tokenizer(checkpoint: Checkpoint) -> Tokenizer:
    """The tokenizer of a checkpoint: its ``tokenizer.json``, or bytes if it has none and a vocabulary of 256.

    Raises
    ------
    CheckpointError
        Neither applies, or see `FileTokenizer`.
    """
    path, size = checkpoint.folder / "tokenizer.json", checkpoint.config.vocab_size
    if path.exists():
        return FileTokenizer(path, vocab_size=size)
    if size != 256:
        raise CheckpointError(f"{path}: is missing; a vocabulary of {size} needs it (256 would mean bytes)")
    return ByteTokenizer()
