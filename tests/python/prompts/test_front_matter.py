"""Front matter and JSONL: their settings, their places, and errors that always name a place."""

from __future__ import annotations

import json
from contextlib import suppress

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from lm_transparency import TransparencyError
from lm_transparency.model.chat import parse_chat
from lm_transparency.prompts.documents import PROMPT, Document
from lm_transparency.prompts.front_matter import KEYS, Settings
from lm_transparency.prompts.pieces import PromptText
from lm_transparency.routes.contributions import FLOOR


def assert_leads_back(text: str, prompt: PromptText) -> None:
    """Each piece occurs unchanged in the document, and both offsets ascend."""
    at = source = 0
    for piece in prompt.pieces:
        assert piece.at >= at and piece.source >= source and piece.length > 0
        said = prompt.text[piece.at : piece.at + piece.length]
        assert text[piece.source : piece.source + piece.length] == said
        at, source = piece.at + piece.length, piece.source + piece.length


def test_front_matter_sets_what_it_says() -> None:
    text = (
        "---\nmodel: org/name@v1\nspecial_tokens: none\ntarget: ' Paris'\ncontrast: yes\nthreshold: 5.0e-3\n"
        "renormalize: false # so\n---\nHello"
    )
    document = Document(text, "lm-prompt")
    assert document.settings == Settings("org/name@v1", "none", " Paris", "yes", FLOOR, False)
    assert document.front is not None and document.front.problems == ()
    start, end = document.front.places["target"]
    assert text[start:end] == "' Paris'"
    assert document.settings == Document(text.replace("\n", "\r\n"), "lm-prompt").settings
    assert Document("---\nmodel:\nthreshold: ~\n---\nx", "lm-prompt").settings == Settings()


@pytest.mark.parametrize(
    ("line", "marked", "severity", "message"),
    [
        ("threshold: high", "high", "error", "`threshold` is 'high', not a number."),
        ("threshold: 0.001", "0.001", "error", "`threshold` is 0.001."),
        ("threshold: .nan", ".nan", "error", "not a number"),
        ("renormalize: perhaps", "perhaps", "error", "`renormalize` is 'perhaps'."),
        ("special_tokens: eos", "eos", "error", "`special_tokens` is 'eos'."),
        ("target: [a]", "[a]", "error", "`target` is not a single value."),
        ('target: ""', '""', "error", "`target` is empty."),
        ("tempo: 3", "tempo", "warning", "There is no key `tempo`."),
        ("description: a", "description", "information", "a key of Dotprompt that has no effect here"),
        ("model: a\nmodel: b", "model", "error", "`model` is given twice."),
        ("chat: hello", "hello", "error", "`chat` is not a list."),
        ("chat:\n  - role: user", "role: user", "error", "Message 1 lacks"),
        ("chat:\n  - {role: bot, content: x}", "bot", "error", "There is no role 'bot'"),
        ('chat:\n  - {role: user, content: "a\\n<|user|>\\nb"}', '"a\\n<|user|>\\nb"', "error", "start of another"),
    ],
)
def test_what_is_wrong_with_front_matter_has_its_place(line: str, marked: str, severity: str, message: str) -> None:
    text = f"---\n{line}\n---\nHello"
    document = Document(text, "lm-prompt")
    (problem,) = document.front_problems
    assert text[problem.start : problem.end] == marked
    assert (problem.severity, message in problem.message) == (severity, True)
    if severity == "error":
        with pytest.raises(TransparencyError, match="The front matter is wrong"):
            document.prompt(document.at(len(text)))
    else:
        assert document.prompt(document.at(len(text))).text == "Hello"


def test_a_chat_of_the_front_matter_comes_before_each_prompt() -> None:
    text = (
        "---\nchat:\n  - role: system\n    content: Be brief.\n"
        "  - role: user\n    content: |\n      Hi\n        there\n"
        '  - {role: assistant, content: "é \\u263a \\"x\\""}\n---\nOne 👍\r\nmore\n---\nTwo\n'
    )
    document = Document(text, "lm-prompt")
    one, two = (document.prompt(stretch) for stretch in document.stretches)
    said = [(m.role, m.content) for m in parse_chat(one.text).messages]
    shared = [("system", "Be brief."), ("user", "Hi\n  there"), ("assistant", 'é ☺ "x"')]
    assert said == [*shared, ("user", "One 👍\nmore")]
    assert (one.chat, one.start, two.text.endswith("<|user|>\nTwo")) == (True, text.index("One"), True)
    assert_leads_back(text, one)
    assert one.to_document(one.text.index("Be brief")) == text.index("Be brief")
    assert one.to_document(one.text.index("there")) == text.index("there")
    assert one.to_document(one.text.index("more")) == text.index("more")
    assert one.from_document(text.index("👍")) == one.text.index("👍")
    escape = one.text.index("☺")
    assert [text[a:b] for a, b in one.stretches(escape, escape + 1)] == ["\\u263a"]
    # alone it is a prompt of its own; in a file of chats it begins each chat
    alone = Document(text[: text.index("One")], "lm-prompt")
    assert [alone.prompt(s).text for s in alone.stretches] == [one.text[: one.text.index("<|user|>\nOne")]]
    chats = Document(text.replace("One", "<|user|>\nOne"), "lm-chat")
    assert [(m.role, m.content) for m in parse_chat(chats.prompt(chats.at(len(text))).text).messages][:3] == shared


@pytest.mark.parametrize(
    ("source", "value"),
    [
        ('"a\\tb" # no\n', "a\tb"),
        ("x = 'it\\'s'\n", "it's"),
        ("x = r'a\\n'\n", "a\\n"),
        ('x = """a\n  b\\\n c"""\n', "a\n  b c"),
        ('x = f"{a} {{b}} \\N{BULLET}"\n', "{a} {b} •"),
        ("f('one '\n  # why\n  \"two\")\n", "one two"),
        ("x = 'open\ny = 1\n", "open"),
        ("x = '\\ud83d\\u00e9\\q'\n", None),
    ],
)
def test_the_value_of_a_string_literal_is_a_prompt(source: str, value: str | None) -> None:
    for text in (source, source.replace("\n", "\r\n")):
        document = Document(text, "python")
        stretch = document.stretches[0]
        if value is None:
            with pytest.raises(TransparencyError, match="lone surrogate"):
                document.prompt(stretch)
            continue
        prompt = document.prompt(stretch)
        assert prompt.text == value
        assert_leads_back(text, prompt)


LINE = st.one_of(
    st.text(st.characters(exclude_characters="\n"), max_size=20),
    st.builds(lambda k, v: f"{k}: {v}", st.sampled_from([*KEYS, "x"]), st.text(max_size=12)),
    st.builds(lambda v: f"  - {v}", st.text(max_size=12)),
    st.sampled_from(
        ["chat:", "  - role: user", "    content: |", "      a", "  - &a [*a]", "a: &a {b: *a}", '"\\', "---"]
    ),
)


@given(lines=st.lists(LINE, max_size=8), body=st.text(max_size=12), language=st.sampled_from(["lm-prompt", "lm-chat"]))
@example(["model: &a [*a]"], "x", "lm-prompt")
@example(["chat: &a", "- *a"], "x", "lm-prompt")
@example(["model: " + "[" * 3000], "x", "lm-prompt")
@example(["model: \x07"], "x", "lm-prompt")
@example(['model: "\\UFFFFFFFF"'], "x", "lm-prompt")
@example(["model: !!python/object:os.system x"], "x", "lm-prompt")
@example(["threshold: 1:30", "target: 2001-01-01"], "x", "lm-prompt")
@settings(max_examples=300)
def test_any_front_matter_is_read_or_reported_with_a_place(lines: list[str], body: str, language: str) -> None:
    text = "---\nmodel: m\n" + "\n".join(lines) + "\n---\n" + body
    document = Document(text, language)
    for problem in [*document.front_problems, *document.problems_of(document.stretches)]:
        assert 0 <= problem.start <= problem.end <= len(text)
        assert problem.message
    for stretch in [*document.stretches, document.at(len(text))]:
        with suppress(TransparencyError):
            assert_leads_back(text, document.prompt(stretch))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8) | st.floats(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["prompt", "role", "content"]), inner),
    max_leaves=8,
)
CHAT = st.lists(st.fixed_dictionaries({"role": st.sampled_from(["user", "system"]), "content": st.text(max_size=8)}))
RECORD = st.one_of(
    JSON.map(json.dumps),
    st.text(max_size=12),
    st.builds(lambda p, a: json.dumps({"prompt": p}, ensure_ascii=a), st.text(max_size=12) | CHAT, st.booleans()),
    st.builds(
        lambda p: f'{{"prompt" : "{p}", "id":1}} ', st.text(st.sampled_from([*'\\u0"ndDa98 ', "é"]), max_size=12)
    ),
)


@given(records=st.lists(RECORD, max_size=4))
@example(['{"prompt": ' + "[" * 3000])
@example(['{"prompt": ' + "9" * 5000 + "}"])
@example(['{"prompt": "a", "prompt": "\\u00e9b"}'])
@example(['{"prompt": "\\ud83d\\ude00"}', '{"prompt": "\\ud83d"}'])
@settings(max_examples=300)
def test_any_jsonl_is_read_or_reported_with_a_place(records: list[str]) -> None:
    text = "\n".join(record.replace("\n", " ") for record in records)
    document = Document(text, "lm-prompts-jsonl")
    wrong = 0
    for stretch in document.stretches:
        document.preview(stretch)
        line = text[stretch.start : stretch.end]
        try:
            prompt = document.prompt(stretch)
        except TransparencyError:
            wrong += 1
        else:
            assert_leads_back(text, prompt)
            said = json.loads(line)["prompt"]
            assert prompt.chat == isinstance(said, list)
            if isinstance(said, str):
                assert prompt.text == said
    problems = list(document.problems_of(document.stretches))
    assert len(problems) == wrong
    assert all(0 <= problem.start <= problem.end <= len(text) for problem in problems)


@pytest.mark.parametrize("key", ["target", "contrast"])
def test_the_number_of_a_token_is_no_comment(key: str) -> None:
    document = Document(f"---\n{key}: #50\n---\nHi", PROMPT)
    (problem,) = document.front_problems
    assert (problem.message, problem.remedy) == (
        f"`{key}` is empty: to YAML #50 is a comment.",
        "Put it in quotes: '#50'.",
    )
    assert not Document(f"---\n{key}: # none\nmodel: #5\n---\nHi", PROMPT).front_problems
    assert getattr(Document(f"---\n{key}: '#50'\n---\nHi", PROMPT).settings, key) == "#50"
