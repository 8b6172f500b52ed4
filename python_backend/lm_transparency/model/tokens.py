"""A prompt's tokens for display: exact text, exact span, and readable entries of the vocabulary."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Any

from ..errors import TransparencyError
from ..printable import from_terminal, terminal
from .deadline import Late, within
from .joined import with_joined
from .native import OTHER_TOKENIZER, answered
from .options import SpecialTokens
from .vocabulary import vocabulary_text

#: Characters of a prompt; no model's context is longer.
LONGEST_PROMPT = 2_000_000
#: Seconds that a tokenizer has for a prompt, and the characters for which it has one more; on a busy machine a good one
#: takes a hundredth of that.
PATIENCE_S = 30.0
CHARACTERS_S = 10_000
_LATE = "_lm_transparency_is_late"
_HALF = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True)
class Token:
    """`start`, `end`: characters (code points) of the prompt; equal for a `special` token, which was added to it.

    `shared`: one of several tokens that make up one character; `text` then shows its bytes as `⟨f0 9f⟩`. `template`:
    added by a chat template (and `special`).
    """

    id: int
    text: str
    start: int
    end: int
    special: bool = False
    shared: bool = False
    template: bool = False


def check_prompt(prompt: str) -> None:
    """Raises `TransparencyError` (`invalidPrompt`, `promptTooLong`) for what no tokenizer should be given."""
    if not isinstance(prompt, str):  # pyright: ignore[reportUnnecessaryIsInstance]  # who calls may not check types
        raise TransparencyError(
            "invalidPrompt", f"The prompt is of type {type(prompt).__name__}, not text.", "Pass a str, or a Chat."
        )
    if not prompt:
        raise TransparencyError("invalidPrompt", "The prompt is empty.", "Write or select some text to analyse.")
    at = prompt.find("\0")
    if at >= 0:
        raise TransparencyError(
            "invalidPrompt",
            f"The prompt holds a NUL character at offset {at}; it looks like binary data.",
            "Remove it, or choose a text file.",
        )
    half = half_of_a_pair(prompt)
    if half is not None:
        raise TransparencyError(
            "invalidPrompt",
            f"The prompt holds half of a surrogate pair at offset {half.start()}, which is not a character.",
            "Remove it, or type the character again.",
        )
    if len(prompt) > LONGEST_PROMPT:
        raise TransparencyError(
            "promptTooLong",
            f"The prompt has {len(prompt):,} characters; no model's context is that long.",
            "Select a part of it.",
        )


def half_of_a_pair(text: str) -> re.Match[str] | None:
    """The first lone surrogate in `text`."""
    return None if text.isascii() else _HALF.search(text)


def encode(tokenizer: Any, prompt: str, special_tokens: SpecialTokens = "auto") -> list[Token]:
    """The tokens of `prompt`.

    `special_tokens` auto: those that the tokenizer adds by itself; bos: a beginning-of-sequence token first; none: the
    text alone. Raises `TransparencyError`: `invalidPrompt` where the prompt cannot be tokenized or gives no token,
    `modelUnsupported` for a tokenizer without offsets.
    """
    tokens = encode_text(tokenizer, prompt, add_special_tokens=special_tokens == "auto")
    if special_tokens == "bos":
        bos = tokenizer.bos_token_id
        if bos is None:
            raise TransparencyError(
                "invalidPrompt",
                "The tokenizer has no beginning-of-sequence token.",
                "Choose special tokens `auto` or `none`.",
            )
        tokens.insert(0, Token(bos, vocabulary_text(tokenizer, bos), 0, 0, special=True))
    if not tokens:
        raise TransparencyError("invalidPrompt", "The prompt has no tokens.", "Write some text to analyse.")
    return tokens


def encode_text(tokenizer: Any, prompt: str, *, add_special_tokens: bool) -> list[Token]:
    """`prompt` tokenized, with or without the tokens that the tokenizer adds. Raises `TransparencyError` as
    `encode`.
    """
    check_prompt(prompt)
    if getattr(tokenizer, _LATE, False):
        raise _too_slow()

    def encoded_by() -> Any:
        with answered("The model's tokenizer fails on this prompt", OTHER_TOKENIZER):
            return tokenizer(prompt, add_special_tokens=add_special_tokens, return_offsets_mapping=True)

    try:
        encoded = within(PATIENCE_S + len(prompt) / CHARACTERS_S, encoded_by)
    except Late as late:
        # it is still at work, and a second text would take as long
        setattr(tokenizer, _LATE, True)
        raise _too_slow() from late
    except NotImplementedError as error:
        raise TransparencyError(
            "modelUnsupported",
            f"{type(tokenizer).__name__} does not say which characters its tokens stand for.",
            "Use a model with a fast tokenizer (tokenizer.json).",
        ) from error
    ids: list[int] = list(encoded["input_ids"])
    return _tile(tokenizer, prompt, ids, with_joined(prompt, list(encoded["offset_mapping"])))


def _too_slow() -> TransparencyError:
    return TransparencyError(
        "modelUnusable",
        "The model's tokenizer does not come to an end on this prompt, or on one before.",
        OTHER_TOKENIZER,
    )


def _tile(tokenizer: Any, prompt: str, ids: list[int], offsets: list[tuple[int, int]]) -> list[Token]:
    """Spans that cover the prompt without gaps: trimmed characters (spaces) go to the token that carries them."""
    tokens: list[Token] = []
    covered = 0
    known = {token_id: vocabulary_text(tokenizer, token_id) for token_id in set(ids)}
    texts = [known[token_id] for token_id in ids]
    offsets = [(0, 0) if _put_in_front(texts, offsets, i) else span for i, span in enumerate(offsets)]
    # for each token, where the next one with a span begins
    next_start = [len(prompt)]
    for start, end in reversed(offsets):
        next_start.append(start if start < end else next_start[-1])
    for i, (token_id, text, (start, end)) in enumerate(zip(ids, texts, offsets, strict=True)):
        carried = covered + len(text)
        following = next_start[len(ids) - 1 - i]
        within = covered <= start and end <= carried <= following
        if within and (start < end or text.isspace()) and prompt.startswith(text, covered):
            # some post-processors trim the spaces off a token's span, even to nothing
            start, end = covered, carried
        if start == end:
            tokens.append(Token(token_id, text, covered, covered, special=True))
            continue
        begin = min(covered, start)
        if _overlap(offsets, i, i - 1) or _overlap(offsets, i, i + 1):
            tokens.append(Token(token_id, text, begin, end, shared=True))
        else:
            tokens.append(Token(token_id, prompt[begin:end], begin, end))
        covered = max(covered, end)
    return _to_the_end(prompt, tokens, covered)


def _to_the_end(prompt: str, tokens: list[Token], covered: int) -> list[Token]:
    """Give what a tokenizer leaves out at the end (white space, a combining mark) to the last token of the text."""
    last = next((i for i in range(len(tokens) - 1, -1, -1) if not tokens[i].special), None)
    if covered == len(prompt) or last is None:
        return tokens
    token = tokens[last]
    text = token.text if token.shared else prompt[token.start :]
    # tokens added at the end stay at the end
    after = [replace(t, start=len(prompt), end=len(prompt)) for t in tokens[last + 1 :]]
    return [*tokens[:last], replace(token, text=text, end=len(prompt)), *after]


def _put_in_front(texts: list[str], offsets: list[tuple[int, int]], i: int) -> bool:
    """Whether a token is a space that the tokenizer put before a word: its span is the word's first character."""
    return texts[i] == " " and _overlap(offsets, i, i + 1)


def _overlap(offsets: list[tuple[int, int]], i: int, j: int) -> bool:
    """Whether two tokens hold pieces of one character; tokens added to the prompt hold none."""
    return 0 <= j < len(offsets) and max(offsets[i][0], offsets[j][0]) < min(offsets[i][1], offsets[j][1])


def visible(text: str) -> str:
    """Spaces, line ends and other invisible characters made visible: ` Mary` → `·Mary`, `\\x1b` → `␛`."""
    return terminal(text).replace(" ", "·")


#: How the panel shows what the terminal shows otherwise (`webview/src/words.ts`).
_IN_THE_PANEL = str.maketrans({"·": " ", "⏎": "\n", "⇥": "\t", "⍽": "\u00a0", "∣": "\u200b"})


def unseen(text: str) -> str:
    """The text that `visible`, or the panel, shows as `text`."""
    return from_terminal(text.translate(_IN_THE_PANEL))
