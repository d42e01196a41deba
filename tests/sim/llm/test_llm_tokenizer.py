"""Bytes, and a tokenizer.json made here."""

import sys

import pytest
from tokenizers import Tokenizer, decoders, models, pre_tokenizers

from gemmsmith_sim.llm.checkpoint import CheckpointError, load
from gemmsmith_sim.llm.tokenizer import ByteTokenizer, FileTokenizer, load_tokenizer

TEXT = "naïve – “𝄞”\n"


def write_tokenizer(path, size=37):
    """Byte-level BPE without merges: printable characters that stand for bytes, of which TEXT uses some."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    pieces = "".join(piece for piece, _ in tokenizer.pre_tokenizer.pre_tokenize_str(TEXT))
    alphabet = list(dict.fromkeys(pieces))
    vocab = {piece: index for index, piece in enumerate(alphabet)}
    vocab |= {f"unused{index}": index for index in range(len(vocab), size)}
    tokenizer = Tokenizer(models.BPE(vocab=vocab, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.save(str(path))


@pytest.fixture
def file_tokenizer(tmp_path):
    write_tokenizer(tmp_path / "tokenizer.json")
    return FileTokenizer(tmp_path / "tokenizer.json", vocab_size=37)


def test_bytes_round_trip():
    tokenizer = load_tokenizer(load())
    assert isinstance(tokenizer, ByteTokenizer)
    assert tokenizer.encode(TEXT) == list(TEXT.encode())
    assert tokenizer.decode(tokenizer.encode(TEXT)) == TEXT
    assert tokenizer.decode([0x41, 0xFF]) == "A\ufffd"
    assert tokenizer.encode(b"\xff".decode("utf-8", "surrogateescape")) == [0xFF]


def test_file_round_trip(file_tokenizer):
    tokens = file_tokenizer.encode(TEXT)
    assert len(tokens) == len(TEXT.encode())
    assert max(tokens) < 37
    assert file_tokenizer.decode(tokens) == TEXT


@pytest.mark.parametrize("kind", ["bytes", "file"])
def test_stream_holds_split_characters_back(kind, file_tokenizer):
    tokenizer = ByteTokenizer() if kind == "bytes" else file_tokenizer
    tokens = tokenizer.encode(TEXT)
    assert list(tokenizer.stream(tokens)) == list(TEXT)
    cut = len(TEXT[: TEXT.index("𝄞")].encode()) + 2
    pieces = list(tokenizer.stream(tokens[:cut]))
    assert "".join(pieces) == tokenizer.decode(tokens[:cut])
    assert pieces[-1].startswith("\ufffd")
    assert list(tokenizer.stream([])) == []


def test_stream_is_lazy(file_tokenizer):
    taken = []
    tokens = file_tokenizer.encode("nave")
    stream = file_tokenizer.stream(taken.append(token) or token for token in tokens)
    assert next(stream) == "n"
    assert len(taken) == 1


def test_folder_decides(folder):
    checkpoint = load(folder.write())
    with pytest.raises(CheckpointError, match=r"tokenizer\.json: is missing; a vocabulary of 37 needs it"):
        load_tokenizer(checkpoint)
    write_tokenizer(folder.path / "tokenizer.json")
    assert load_tokenizer(checkpoint).decode(load_tokenizer(checkpoint).encode("naïve")) == "naïve"
    write_tokenizer(folder.path / "tokenizer.json", size=38)
    with pytest.raises(CheckpointError, match="holds 38 tokens, the model's vocabulary only 37"):
        load_tokenizer(checkpoint)
    (folder.path / "tokenizer.json").write_text("{}")
    with pytest.raises(CheckpointError, match="is not a tokenizer file"):
        load_tokenizer(checkpoint)


def test_missing_library_names_the_extra(folder, monkeypatch):
    monkeypatch.setitem(sys.modules, "tokenizers", None)
    with pytest.raises(CheckpointError, match=r"pip install 'gemmsmith\[llm\]'"):
        FileTokenizer(folder.path / "tokenizer.json", vocab_size=37)
