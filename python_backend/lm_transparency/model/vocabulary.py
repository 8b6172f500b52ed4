"""The readable text of vocabulary entries, and the entries that a text may stand for."""

from __future__ import annotations

import re
import weakref
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from .native import OTHER_TOKENIZER, answered

#: Bytes that are not a whole character, as Python's surrogateescape represents them.
_PIECES = re.compile("[\udc80-\udcff]+")

#: How byte fallback writes a byte.
_BYTE = re.compile("<0x([0-9A-Fa-f]{2})>")
#: How bytes that are not a whole character are shown, with a dot between them where spaces are made visible.
_SHOWN_BYTES = re.compile("⟨([0-9a-f]{2}(?:[ ·][0-9a-f]{2})*)⟩")


@dataclass(frozen=True)
class _Writing:
    """How a tokenizer writes: whether `▁` stands for a space and `<0x41>` for a byte, and the added entries by id."""

    size: int
    marks_spaces: bool
    writes_bytes: bool
    added: dict[int, str]


_writings: weakref.WeakKeyDictionary[Any, _Writing] = weakref.WeakKeyDictionary()


@answered("The model's tokenizer fails on an entry of its vocabulary", OTHER_TOKENIZER)
def vocabulary_text(tokenizer: Any, token_id: int) -> str:
    """The text of one entry of the vocabulary: with its leading space, or its bytes as `⟨f0 9f⟩`."""
    piece = tokenizer.convert_ids_to_tokens(int(token_id))
    if not piece:
        # rows of the unembedding past the vocabulary pad it to a round size
        return f"⟨{token_id}⟩"
    writing = _writing(tokenizer)
    byte = _BYTE.fullmatch(piece)
    if byte and writing.writes_bytes:
        return _bytes_text(bytes([int(byte[1], 16)]))
    if token_id in writing.added:
        return writing.added[token_id]
    if "▁" in piece:
        return piece.replace("▁", " ") if writing.marks_spaces else piece
    text: str = tokenizer.decode([int(token_id)], clean_up_tokenization_spaces=False)
    if "\ufffd" in text:
        table = _byte_table()
        if all(c in table for c in piece):
            return _bytes_text(bytes(table[c] for c in piece))
    # a decoder may leave nothing of it
    return text or piece


def pieces_of(text: str) -> Iterator[str]:
    """The forms in which tokenizers may write an entry that reads as `text`: unchanged, with `▁`, in byte-level
    letters, as a byte.
    """
    yield text
    yield text.replace(" ", "▁")
    # the odd pieces are the matches of the group
    raw = b"".join(
        bytes.fromhex(part.replace("·", " ")) if i % 2 else part.encode("utf-8", "surrogatepass")
        for i, part in enumerate(_SHOWN_BYTES.split(text))
    )
    letters = {byte: letter for letter, byte in _byte_table().items()}
    yield "".join(letters[byte] for byte in raw)
    if len(raw) == 1:
        yield f"<0x{raw[0]:02X}>"


def shows_bytes(text: str) -> bool:
    """Whether a `vocabulary_text` shows bytes that are not a whole character."""
    return bool(_SHOWN_BYTES.search(text))


def stands_for_a_byte(tokenizer: Any, token_id: int) -> bool:
    """Whether an entry belongs to byte fallback."""
    return _writing(tokenizer).writes_bytes and bool(_BYTE.fullmatch(tokenizer.convert_ids_to_tokens(token_id) or ""))


def _writing(tokenizer: Any) -> _Writing:
    known = _writings.get(tokenizer)
    # tokens may be added later
    if known is None or known.size != len(tokenizer):
        backend = getattr(tokenizer, "backend_tokenizer", None)
        marks, writes = (True, True) if backend is None else (_marks_spaces(backend), _writes_bytes(backend))
        known = _writings[tokenizer] = _Writing(len(tokenizer), marks, writes, _added(tokenizer, marks, writes))
    return known


def _marks_spaces(backend: Any) -> bool:
    if backend.decoder is not None and "▁" not in backend.decoder.decode(["a", "a▁b"]):
        return True
    text = "a b" if backend.normalizer is None else backend.normalizer.normalize_str("a b")
    words = [] if backend.pre_tokenizer is None else [word for word, _ in backend.pre_tokenizer.pre_tokenize_str(text)]
    return "▁" in "".join([text, *words])


def _writes_bytes(backend: Any) -> bool:
    decodes = backend.decoder is not None and "<" not in backend.decoder.decode(["<0x41>"])
    return decodes or bool(getattr(backend.model, "byte_fallback", False))


def _added(tokenizer: Any, marks_spaces: bool, writes_bytes: bool) -> dict[int, str]:
    """The added entries that are read literally: all but bytes, and runs of spaces (Gemma)."""
    texts = {i: str(token) for i, token in getattr(tokenizer, "added_tokens_decoder", {}).items()}
    return {
        i: " " * len(text) if marks_spaces and not text.strip("▁") else text
        for i, text in texts.items()
        if not (writes_bytes and _BYTE.fullmatch(text))
    }


def _bytes_text(raw: bytes) -> str:
    """Whole characters unchanged, pieces of a character as `⟨f0 9f⟩`."""
    text = raw.decode("utf-8", "surrogateescape")
    return _PIECES.sub(lambda piece: f"⟨{piece[0].encode('utf-8', 'surrogateescape').hex(' ')}⟩", text)


@lru_cache(maxsize=1)
def _byte_table() -> dict[str, int]:
    """The published map of byte-level BPE: printable bytes stand for themselves, the others follow from U+0100."""
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    table = {chr(b): b for b in printable}
    table.update({chr(0x100 + n): b for n, b in enumerate(b for b in range(256) if b not in printable)})
    return table
