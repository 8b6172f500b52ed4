"""The choice of the prompt in a document."""

from __future__ import annotations

import subprocess
import sys

import pytest

from lm_transparency import TransparencyError
from lm_transparency.prompts.documents import CHAT, JSONL, PROMPT, Document, language_of
from lm_transparency.prompts.documents import LINES as BY_LINE
from lm_transparency.prompts.pieces import PromptText
from lm_transparency.prompts.units import Units


def choose(marked: str, language: str = "lm-prompt", **options: bool) -> PromptText:
    """The prompt at `|`, the cursor, or in `[` and `]`, a selection."""
    if "[" in marked:
        start, end = marked.index("["), marked.index("]") - 1
        text = marked.replace("[", "").replace("]", "")
        units = Units(text)
        return Document(text, language, **options).selected(units.to_units(start), units.to_units(end))
    text = marked.replace("|", "", 1)
    document = Document(text, language, **options)
    return document.prompt(document.at(max(0, marked.find("|"))))


def refused(marked: str, language: str = "lm-prompt") -> TransparencyError:
    with pytest.raises(TransparencyError) as caught:
        choose(marked, language)
    return caught.value


BLOCKS = {
    "the whole file, less its last newline": ("one|\ntwo\n", "one\ntwo"),
    "only one newline is the editor's": ("Answer:\n\n", "Answer:\n"),
    "blanks at the end count": ("Answer: |", "Answer: "),
    "the block at the cursor": ("one\n---\ntw|o\n---\nthree\n", "two"),
    "the first block": ("on|e\n---\ntwo", "one"),
    "the last block": ("one\n---\ntwo|\n", "two"),
    "empty lines beside a separator part too": ("one\n\n---\n\n|two\n\n---\n\nthree", "two"),
    "empty lines inside stay": ("one\n---\na|\n\nb\n---\nthree", "a\n\nb"),
    "on a separator the block below": ("one\n--|-\ntwo\n", "two"),
    "on the last separator the block above": ("one\n--|-\n", "one"),
    "blanks behind a separator": ("one\n---  \ntwo|", "two"),
    "a rule of four dashes is text": ("one|\n----\ntwo", "one\n----\ntwo"),
    "a separator at the top": ("---\ntwo|", "two"),
    "front matter is no prompt": ("---\nmodel: x\n# note\n---\nHello|\n", "Hello"),
    "in the front matter the first prompt is meant": ("---\nmo|del: x\n---\nHello\n---\nBye", "Hello"),
    "at its end as well": ("---\nmodel: x\n--|-\n\nHello\n---\nBye", "Hello"),
    "prompts behind front matter": ("---\nmodel: x\n---\nHello\n---\nBye|\n", "Bye"),
    "a leading block of text is a prompt": ("---\nNot a key\n---\nHello|", "Hello"),
}


@pytest.mark.parametrize("case", BLOCKS)
def test_the_prompt_of_a_prompt_file_is(case: str) -> None:
    marked, prompt = BLOCKS[case]
    assert choose(marked).text == prompt
    assert choose(marked.replace("\n", "\r\n")).text == prompt


def test_a_selection_is_taken_as_it_is() -> None:
    assert choose("one [two\n]three").text == "two\n"
    assert choose("one[ ]two").text == " "


def test_the_last_newline_is_kept_where_that_is_set() -> None:
    assert choose("one\n---\ntwo|\n", keep_last_newline=True).text == "two\n"
    assert choose("one|\n---\ntwo\n", keep_last_newline=True).text == "one"
    assert choose("a|\r\n", "plaintext", keep_last_newline=True).text == "a\n"
    assert choose("```\na|\n", "markdown", keep_last_newline=True).text == "a\n"


@pytest.mark.parametrize(
    ("text", "prompts"),
    [
        ("---\na: 1\nlist:\n  - x\n- y\n\n---\ntext", ["text"]),
        ("---\na: 1", ["a: 1"]),
        ("---\n\n---", []),
        ("---\nhttp://x\n---", ["http://x"]),
        ("a: 1\n---", ["a: 1"]),
        ("---\nmodel: x\n---", []),
        ("---\n  a: 1\n---\nb", ["  a: 1", "b"]),
    ],
)
def test_front_matter_is_known_from_prompts(text: str, prompts: list[str]) -> None:
    document = Document(text, "lm-prompt")
    assert [text[s.start : s.end] for s in document.stretches] == prompts


MARKDOWN = "Text\n\n```python\nx = 1\ny = 2\n```\n\nMore\n"
FENCES = {
    "inside a fence": (MARKDOWN.replace("x =", "x| ="), "x = 1\ny = 2"),
    "on the opening fence": (MARKDOWN.replace("```python", "```py|thon"), "x = 1\ny = 2"),
    "on the closing fence": (MARKDOWN.replace("2\n```", "2\n``|`"), "x = 1\ny = 2"),
    "outside of fences: the file": (MARKDOWN.replace("More", "Mo|re"), MARKDOWN.rstrip()),
    "longer fences hold shorter ones": ("````\na\n```\nb|\n````\n", "a\n```\nb"),
    "tildes": ("~~~\na|\n~~~", "a"),
    "an unclosed fence": ("```\na|\nb\n", "a\nb"),
    "indented fences lose their indentation": ("  ```\n  a|\n    b\n c\n  ```", "a\n  b\nc"),
    "inline code is no fence": ("```a``` b|\nc", "```a``` b\nc"),
}


@pytest.mark.parametrize("case", FENCES)
def test_the_prompt_of_markdown_is(case: str) -> None:
    marked, prompt = FENCES[case]
    assert choose(marked, "markdown").text == prompt
    assert choose(marked.replace("\n", "\r\n"), "markdown").text == prompt


def test_an_empty_fence_is_an_empty_prompt() -> None:
    assert "empty" in refused("a\n```|\n```\n", "markdown").message


def test_any_other_file_is_one_prompt() -> None:
    assert choose("def f():\n|  pass\n---\nx\n", "python").text == "def f():\n  pass\n---\nx"


LINES = {
    "the line of the cursor": ("one\ntw|o\nthree\n", "two"),
    "its blanks count": ("one\n two |\n", " two "),
    "from an empty line the one below": ("one\n|\n\ntwo\n", "two"),
    "from the last empty line the one above": ("one\ntwo\n|", "two"),
    "a rule is a prompt": ("one\n--|-\ntwo", "---"),
}


@pytest.mark.parametrize("case", LINES)
def test_the_prompt_of_a_file_with_a_prompt_a_line_is(case: str) -> None:
    marked, prompt = LINES[case]
    assert choose(marked, "lm-prompts").text == prompt
    assert choose(marked.replace("\n", "\r\n"), "lm-prompts").text == prompt


def test_a_file_of_empty_lines_has_no_prompt() -> None:
    assert "empty" in refused("\n|\n", "lm-prompts").message


@pytest.mark.parametrize(
    ("language", "marked", "expected"),
    [
        (
            "lm-prompt",
            "---\nmodel: x\n---\none\n---\n\ntw|o\nmore\n\n---\n\n---\nthree\n",
            ["one", ">two\nmore", "three"],
        ),
        ("lm-prompt", "on|ly\n", [">only"]),
        ("lm-prompt", "|\n", []),
        ("lm-prompts", "one\n\ntwo|\none\n", ["one", ">two", "one"]),
        ("markdown", "T\n```\none\n```\n\n```py\n```\n  ~~~\n  t|wo\n  ~~~\n", ["one", ">two"]),
        ("markdown", "no fe|nce\n", [">no fence"]),
        ("markdown", "```\none\n```\n|\n```\ntwo\n```\n", ["one", "two"]),
        ("plaintext", "one\ntw|o\n", [">one\ntwo"]),
        ("plaintext", "", []),
        ("lm-chat", "<|user|>\na\n---\n<|user|>\nb|\n", ["<|user|>\na", "><|user|>\nb"]),
        ("lm-prompts-jsonl", '{"prompt": "a"}\n\n{"prompt": "|b"}\n', ["a", ">b"]),
        ("python", 'x = "one"\ny = ""\nf(b"no", "tw|o" r"\\n")\n', ["one", ">two\\n"]),
    ],
)
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_the_prompts_of_a_file_are_listed(language: str, marked: str, expected: list[str], end: str) -> None:
    marked = marked.replace("\n", end)
    text = marked.replace("|", "", 1) if language != "lm-chat" else marked[::-1].replace("|", "", 1)[::-1]
    cursor = marked.rindex("|") if language == "lm-chat" else max(0, marked.find("|"))
    document = Document(text, language)
    active = document.index_of(document.at(cursor)) if text else None
    listed = [(">" if i == active else "") + document.prompt(s).text for i, s in enumerate(document.stretches)]
    assert listed == expected
    for stretch in document.stretches:
        # the cursor put where a prompt starts means that prompt
        assert document.at(document.first(stretch)) == stretch
        assert document.within(stretch.start, stretch.end) == [stretch]


CHATS = {
    "a chat file is one": ("<|user|>\nhi\n", "lm-chat", "<|user|>\nhi", True),
    "chats of a file are parted": ("<|user|>\na\n---\n<|us¦er|>\nb\n", "lm-chat", "<|user|>\nb", True),
    "a fence marked chat": ("x\n```chat\n<|user|>\nh¦i\n```\n", "markdown", "<|user|>\nhi", True),
    "whatever stands behind the mark": ("``` Chat title=x\n<|user|>\nhi\n```\n", "markdown", "<|user|>\nhi", True),
    "no other fence": ("```text\n<|user|>\nh¦i\n```\n", "markdown", "<|user|>\nhi", False),
    "no prompt file": ("<|user|>\nhi\n", "lm-prompt", "<|user|>\nhi", False),
    "a selection that begins with a role": ("[<|user|>\nhi]\n", "lm-chat", "<|user|>\nhi", True),
    "no selection within a message": ("<|user|>\nsay [hi]\n", "lm-chat", "hi", False),
}


@pytest.mark.parametrize("case", CHATS)
def test_a_chat_is(case: str) -> None:
    marked, language, text, chat = CHATS[case]
    if "[" in marked:
        found = choose(marked, language)
    else:
        at = max(0, marked.find("¦"))
        document = Document(marked.replace("¦", ""), language)
        found = document.prompt(document.at(at))
    assert (found.text, found.chat) == (text, chat)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "empty"),
        ("\n\n", "empty"),
        ("one\n---\n\n--|-\n\n---\ntwo", "empty"),
        ("a\nb\0c", "NUL character in line 2"),
        ("a \ud83d b", "U+D83D) in line 1"),
        ("a\n\n\udc00", "U+DC00) in line 3"),
        ("x" * 2_000_001, "2,000,001 characters"),
    ],
)
def test_what_is_no_prompt_is_refused(text: str, message: str) -> None:
    error = refused(text)
    assert message in error.message
    assert error.remedy


def test_a_selection_that_cuts_an_emoji_in_two_is_refused() -> None:
    document = Document("x\n👍\ny", "lm-prompt")
    for start, end, half in ((0, 3, "U+D83D) in line 2"), (3, 6, "U+DC4D) in line 1")):
        with pytest.raises(TransparencyError, match="lone surrogate") as caught:
            document.selected(start, end)
        assert half in caught.value.message


def test_whole_emoji_are_text() -> None:
    assert choose("👩‍🚀 |and 🇩🇪").text == "👩‍🚀 and 🇩🇪"


@pytest.mark.parametrize("source", ["a", "\r\n", "a\r\n\r\nb", "\r\na\n\r\n", "é👍\r\n\tz"])
def test_offsets_of_a_prompt_lead_to_its_document_and_back(source: str) -> None:
    prompt = choose(f"[{source}]")
    assert prompt.text == source.replace("\r\n", "\n")
    for offset, character in enumerate(prompt.text):
        assert source[prompt.to_document(offset)] == character
        assert prompt.from_document(prompt.to_document(offset)) == offset


def test_offsets_step_over_carriage_returns_and_indentation() -> None:
    source = "  ```\r\n  a\r\n    b\r\n  ```"
    prompt = choose(source.replace("a", "|a"), "markdown")
    assert prompt.text == "a\n  b"
    assert [prompt.to_document(i) for i in (0, 1, 2, 4)] == [9, 11, 14, 16]
    assert prompt.stretches(0, 5) == [(9, 10), (11, 12), (14, 17)]
    assert prompt.from_document(13) == 2
    assert prompt.from_document(len(source)) is None


def test_units_count_what_editors_do() -> None:
    units = Units("a👍b😀")
    assert [units.to_units(i) for i in range(5)] == [0, 1, 3, 4, 6]
    assert [units.to_characters(i) for i in (0, 1, 3, 4, 6, 9)] == [0, 1, 2, 3, 4, 4]
    assert [units.cuts(i) for i in range(7)] == [False, False, True, False, False, True, False]
    assert units.length == 6


def test_reading_prompts_needs_neither_torch_nor_the_server() -> None:
    read = "from lm_transparency.prompts.documents import Document; Document('---\\nmodel: m\\n---', 'lm-prompt').front"
    look = "import sys; print([m for m in ('torch', 'pygls', 'lm_transparency.server') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", f"{read}; {look}"], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("uri", "said", "language"),
    [
        ("file:///a/b.prompt", "plaintext", PROMPT),
        ("file:///a/b.PROMPT", "", PROMPT),
        ("file:///a/b.chat", "text", CHAT),
        ("file:///a/b.prompts", "", BY_LINE),
        ("file:///a/prompts.txt", "plaintext", BY_LINE),
        ("file:///a/b.prompts.jsonl", "jsonl", JSONL),
        ("file:///a/b.prompt", CHAT, CHAT),
        ("file:///a/b.md", "markdown", "markdown"),
        ("untitled:b", "", ""),
    ],
)
def test_a_file_s_name_says_its_language_where_the_editor_does_not_know_ours(
    uri: str, said: str, language: str
) -> None:
    assert language_of(uri, said) == language


@pytest.mark.parametrize("language", [PROMPT, CHAT, BY_LINE, JSONL])
def test_a_byte_order_mark_belongs_to_no_prompt(language: str) -> None:
    text = {
        PROMPT: "---\ntarget: ' b'\n---\na",
        CHAT: "---\ntarget: ' b'\n---\n<|user|>\na",
        BY_LINE: "a\nb\n",
        JSONL: '{"prompt": "a"}\n',
    }[language]
    plain, marked = Document(text, language), Document("\ufeff" + text, language)
    assert list(marked.problems_of(marked.stretches)) == []
    assert marked.settings == plain.settings
    for at in (0, 1, len(text)):
        found, expected = marked.prompt(marked.at(at + 1 if at else 0)), plain.prompt(plain.at(at))
        assert (found.text, found.start) == (expected.text, expected.start + 1)
