"""Chats: their plain-text syntax, the chat template, and the mapping from tokens back to the text."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest
import torch

from lm_transparency import LoadedModel, TransparencyError, analyze, chat_of, parse_chat
from lm_transparency.cli import main
from lm_transparency.exports.payload import token_infos
from lm_transparency.model.chat import encode_chat

SAMPLE = (Path(__file__).parents[3] / "samples/capital.chat").read_text("utf-8").removesuffix("\n")
CHATML = (
    "{% for m in messages %}<s>{{ m['role'] }}\n{{ m['content'] }}</s>\n{% endfor %}"
    "{% if add_generation_prompt %}<s>assistant\n{% endif %}"
)
TRIMS = CHATML.replace("m['content'] }}", "m['content'] | trim }}")
#: Leaves out what an assistant thought, as some reasoning models' templates do.
FORGETS = CHATML.replace("{{ m['content'] }}", "{{ m['content'].split('</think>')[-1] }}")
SHOUTS = CHATML.replace("{{ m['content'] }}", "{{ m['content'] | upper }}")
REFUSES = "{% if messages[0]['role'] == 'system' %}{{ raise_exception('No system role here') }}{% endif %}" + CHATML


def with_template(tokenizer: Any, template: str | None) -> Any:
    other = copy.deepcopy(tokenizer)
    other.chat_template = template
    return other


def read_back(tokenizer: Any, text: str) -> list[tuple[str, str]]:
    """(token's text, its span in the chat's text) for each token that is not the template's."""
    tokens = encode_chat(tokenizer, parse_chat(text))
    assert all(t.start == t.end and t.special for t in tokens if t.template)
    return [(t.text, text[t.start : t.end]) for t in tokens if not t.template]


def test_the_tokens_are_those_of_transformers_own_template(embedded: LoadedModel) -> None:
    tokenizer = embedded.tokenizer
    messages = [
        {"role": "system", "content": "You are brief."},
        {"role": "user", "content": "What is 2 + 2? 😀"},
        {"role": "assistant", "content": "4"},
        {"role": "user", "content": "And 3 + 3?"},
    ]
    text = "".join(f"<|{m['role']}|>\n{m['content']}\n\n" for m in messages)
    wanted = tokenizer.apply_chat_template(messages, add_generation_prompt=True, return_dict=False)
    for chat in (parse_chat(text), chat_of(messages), parse_chat(text + "<|assistant|>\n")):
        tokens = encode_chat(tokenizer, chat)
        assert [t.id for t in tokens] == wanted
        own = [t for t in tokens if not t.template]
        stands = "".join(chat.text[t.start : t.end] for t in own if not t.shared)
        assert stands.replace(" ", "") == "Youarebrief.Whatis2+2?4And3+3?"
        assert {t.text for t in tokens if t.template} >= {"<|im_start|>", "<|im_end|>", "user", "\n"}


def test_an_unfinished_answer_is_continued(embedded: LoadedModel) -> None:
    run = analyze(embedded, parse_chat(SAMPLE))
    assert run.prompt == SAMPLE
    wanted = embedded.tokenizer.apply_chat_template(
        [
            {"role": "user", "content": "What is the capital of France?"},
            {"role": "assistant", "content": "The capital of France is"},
        ],
        continue_final_message=True,
        return_dict=False,
    )
    assert [t.id for t in run.tokens] == wanted
    with torch.no_grad():
        logits = embedded.model(torch.tensor([wanted])).logits[0, -1]
    predictions = run.predictions(1)
    assert predictions.texts[-1] == (" Paris",)
    assert float(predictions.probabilities[-1, 0]) == pytest.approx(float(logits.softmax(-1).max()), abs=1e-4)
    assert predictions.probabilities[-1, 0] > 0.9
    assert run.notices == ()
    assert run.tokens[-1].end == len(SAMPLE)


@pytest.mark.parametrize("template", [CHATML, TRIMS], ids=["plain", "trims"])
def test_every_character_of_every_message_is_found_again(tiny_tokenizer: Any, template: str) -> None:
    # the template writes `user` as well, and the messages repeat each other
    text = "<|system|>\n\nsystem\n\n<|user|>\nuser user\n 日本 😀\n<|assistant|>\nuser\n<|user|>\nassistant\n"
    pairs = read_back(with_template(tiny_tokenizer, template), text)
    content = "system" + "user user\n 日本 😀" + "user" + "assistant"
    whole = [(shown, stands) for shown, stands in pairs if not shown.startswith("⟨")]
    assert all(shown == stands for shown, stands in whole if "\n" not in shown)
    seen: set[int] = set()
    chat = parse_chat(text)
    for token in encode_chat(with_template(tiny_tokenizer, template), chat):
        seen.update(range(token.start, token.end))
    assert len(seen) == len(content)
    assert "".join(text[i] for i in sorted(seen)) == content


def test_a_message_that_the_template_changes_gets_a_notice(tiny_llama: LoadedModel) -> None:
    import dataclasses

    for template, lost in ((SHOUTS, "1 (user), 2 (assistant), 3 (user)"), (FORGETS, "2 (assistant)")):
        model = dataclasses.replace(tiny_llama, tokenizer=with_template(tiny_llama.tokenizer, template))
        text = "<|user|>\nJohn\n<|assistant|>\n<think>Mary</think>drink\n<|user|>\nstore\n"
        run = analyze(model, parse_chat(text))
        assert any(f"message {lost}:" in notice for notice in run.notices), run.notices
    own = [text[t.start : t.end] for t in run.tokens if not t.template]
    assert "".join(own) == "Johnstore"


def test_errors_say_what_to_do(tiny_tokenizer: Any) -> None:
    for text, said in (
        ("Hello\n<|user|>\nhi", "Line 1 of the chat belongs to no message"),
        ("<|robot|>\nhi", r"no role 'robot' \(in line 1\). Use system"),
        ("\n\n", "The chat has no message"),
        ("<|assistant|>\n", "The chat has no message"),
    ):
        with pytest.raises(TransparencyError, match=said):
            parse_chat(text)
    for messages, said in (
        ([{"role": "user"}], "Message 1 is not an object with the texts"),
        (["hello"], "Message 1 is not an object"),
        ([{"role": "user", "content": "a"}, {"role": "bot", "content": "b"}], r"no role 'bot' \(of message 2\)"),
    ):
        with pytest.raises(TransparencyError, match=said):
            chat_of(messages)
    chat = parse_chat("<|system|>\nbe brief\n<|user|>\nhi")
    with pytest.raises(TransparencyError, match=r"no chat template; it seems to be a base model\. Analyze the text as"):
        encode_chat(with_template(tiny_tokenizer, None), chat)
    with pytest.raises(TransparencyError, match=r"refuses this chat: No system role here\. Change the roles"):
        encode_chat(with_template(tiny_tokenizer, REFUSES), chat)
    with pytest.raises(TransparencyError, match="refuses this chat"):
        encode_chat(with_template(tiny_tokenizer, "{{ 1 / 0 }}"), chat)


def test_spans_are_counted_as_an_editor_counts(embedded: LoadedModel) -> None:
    text = "<|user|>\n😀 name?"
    infos = token_infos(text, tuple(encode_chat(embedded.tokenizer, parse_chat(text))))
    units = text.encode("utf-16-le")
    name = next(t for t in infos if t.text == " name" and not t.template)
    assert units[2 * name.start : 2 * name.end].decode("utf-16-le") == " name"


def test_the_command_line_reads_chats(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "capital.chat"
    file.write_text(SAMPLE + "\n", "utf-8")
    listed = tmp_path / "messages.json"
    listed.write_text(
        json.dumps(
            [
                {"role": "user", "content": "What is the capital of France?"},
                {"role": "assistant", "content": "The capital of France is"},
            ]
        )
    )
    documents: list[dict[str, Any]] = []
    for arguments in ([str(file)], [str(listed), "--chat"], ["--text", SAMPLE, "--chat"]):
        assert main(["analyze", *arguments, "--format", "json"]) == 0
        documents.append(json.loads(capsys.readouterr().out))
    ids = [[t["id"] for t in document["tokens"]] for document in documents]
    assert ids[0] == ids[1] == ids[2]
    assert documents[0]["predictions"][0]["text"] == " Paris"
    assert [t["text"] for t in documents[0]["tokens"] if not t["template"]][-1] == " is"
    assert main(["analyze", "--text", "[{]", "--chat"]) == 2
    assert "begins like JSON and is not JSON: Expecting property name" in capsys.readouterr().err
    assert main(["analyze", str(file), "--special-tokens", "bos"]) == 2
    assert "the chat template writes them" in capsys.readouterr().err
