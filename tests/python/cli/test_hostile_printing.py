"""No foreign text controls the terminal or viewer: every command, with a hostile model, prompt and run file."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from every_command import every_command
from warm_command import Case, Warm

from hostile_text import HOSTILE, HOSTILE_NAME, acts, without_ours
from lm_transparency.cli import main
from tiny_models import save_llama, train_tokenizer

Commands = dict[str, tuple[str, ...]]

#: Entries of the vocabulary, so that they are predicted too.
TOKENS = ["\x1b[31mE", "\u202eB", "[bold]", "\x9b1mC", "=1+1", "[/]"]


@pytest.fixture(scope="module")
def commands(tmp_path_factory: pytest.TempPathFactory) -> Commands:
    folder = tmp_path_factory.mktemp("hostile")
    tokenizer = train_tokenizer()
    tokenizer.add_tokens(TOKENS)
    model = save_llama(folder / "models" / HOSTILE_NAME, tokenizer, num_hidden_layers=3)
    found = every_command(folder, model, HOSTILE)
    kept = folder / "kept.run.json"
    document = json.loads(kept.read_text("utf-8"))
    document["model"]["name"] = document["versions"]["torch"] = HOSTILE
    document["tokens"][0] |= {"id": 1, "text": HOSTILE}
    document["edges"][0]["source"] = HOSTILE
    document["predictions"][0]["text"] = HOSTILE
    kept.rename(kept.with_name(HOSTILE_NAME + ".run.json"))
    changed = kept.with_name(HOSTILE_NAME + ".run.json")
    changed.write_text(json.dumps(document), "utf-8")
    by = found["lens text"][2:]
    found["analyze replay text"] = ("analyze", "--replay", str(changed), *by[:2])
    (folder / "bad.jsonl").write_text(json.dumps({"prompt": HOSTILE, "id": [HOSTILE]}) + "\n")
    found["analyze errors jsonl"] = ("analyze", str(folder / "bad.jsonl"), str(folder / "many.jsonl"), *by[:2])
    return found | {
        "wrong option text": ("analyze", f"--{HOSTILE_NAME}"),
        "wrong number text": ("analyze", "--top-k", HOSTILE_NAME),
        "wrong threshold text": ("analyze", "--text", "x", "--threshold", HOSTILE_NAME),
        "no file text": ("analyze", HOSTILE_NAME),
        "no model text": ("analyze", "--text", "x", "--model", f"./{HOSTILE_NAME}"),
        "no hub model text": ("doctor", HOSTILE_NAME),
        "no node text": ("inspect", "node", HOSTILE_NAME, str(folder / "one.prompt"), *by),
        "no place text": ("analyze", "--text", "x", *by, "-o", f"./{HOSTILE_NAME}/x"),
        "no run text": ("analyze", "--replay", HOSTILE_NAME),
    }


def read_again(form: str, text: str) -> Any:
    """The content as the format's own reader returns it."""
    readers: dict[str, Callable[[str], Any]] = {
        "json": json.loads,
        "run": json.loads,
        "jsonl": lambda lines: [json.loads(line) for line in lines.splitlines()],
        "svg": ElementTree.fromstring,
        "csv": lambda rows: list(csv.reader(io.StringIO(rows, newline=""), strict=True)),
    }
    return readers.get(form, str)(text)


def test_no_command_hands_on_what_acts_on_its_reader(warm: Warm, commands: Commands) -> None:
    for name, arguments in commands.items():
        if "help" in name:
            continue
        ended = warm.run(Case(arguments))
        out, err = ended.out.decode("utf-8"), ended.err.decode("utf-8")
        codes = (2, 3) if name.startswith(("wrong", "no ")) else (1,) if "replay" in name or "errors" in name else (0,)
        assert ended.code in codes, (name, err)
        assert "Traceback" not in err, name
        form = name.split()[-1]
        read_again(form, out)
        if form == "html":
            # the page's own script may hold anything
            assert not set(out) & set("\x1b\x07\x9b\u202e"), name
        else:
            assert not acts(out.replace("\r\n" if form == "csv" else "\n", "").replace("\n", "")), name
        assert not acts(err.replace("\n", "")), (name, err)
        if ended.code > 1:
            assert len(err.splitlines()) == 1 and err.startswith("lm-transparency: "), (name, err)


def test_on_a_terminal_the_colours_are_ours_alone(warm: Warm, commands: Commands) -> None:
    for name, arguments in commands.items():
        if name.endswith("text") and "help" not in name:
            ended = warm.run(Case(arguments, stdout="tty", stderr="tty", environment={"TERM": "xterm-256color"}))
            out, err = ended.out.decode("utf-8"), ended.err.decode("utf-8")
            assert not acts(without_ours(out).replace("\n", "")), name
            assert not acts(without_ours(err).replace("\n", "").replace("\r", "")), name
            # colours of a token would be red
            assert "\x1b[31m" not in out, name


def test_what_is_in_brackets_is_no_markup_and_names_stay_readable(warm: Warm, commands: Commands) -> None:
    out = warm.run(Case(commands["analyze text"])).out.decode("utf-8")
    assert "[bold]" in out and "[/]" in out
    assert "m␛[31m␛]0;t␇\\x9b1m\\u202e[bold]↵x" in out
    assert "日" in out


def test_progress_of_many_prompts_is_one_line_that_is_overwritten(warm: Warm, commands: Commands) -> None:
    ended = warm.run(Case(commands["analyze errors jsonl"], stderr="tty"))
    err = ended.err.decode("utf-8")
    assert "2/2 prompts · 1 with an error" in err
    assert not acts(without_ours(err).replace("\n", "").replace("\r", ""))


def test_a_report_in_a_file_is_as_safe_as_on_stdout(commands: Commands, tmp_path: Path) -> None:
    for form in ("text", "csv", "json", "svg"):
        file = tmp_path / form
        assert main([*commands[f"analyze {form}"], "-o", str(file)]) == 0
        assert not acts(file.read_bytes().decode("utf-8").replace("\r\n", "\n").replace("\n", ""))
