"""Input files that a user names are read once, whatever they are; an unreadable one gives a sentence."""

from __future__ import annotations

import errno
import io
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from lm_transparency import TransparencyError
from lm_transparency.batch.prompts import has_many, read_prompts
from lm_transparency.cli import main
from lm_transparency.cli.files import read_prompt
from lm_transparency.files import inputs

needs_fifo = pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="pipes with names are of Unix")


@pytest.fixture(autouse=True)
def fresh() -> None:
    inputs.forget_inputs()


def given(monkeypatch: pytest.MonkeyPatch, content: str) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content.encode())))


@needs_fifo
def test_a_pipe_that_several_readers_ask_for_is_read_once(tmp_path: Path) -> None:
    pipe = tmp_path / "piped.prompt"
    os.mkfifo(pipe)
    with subprocess.Popen(["bash", "-c", f"printf 'The store is\\n' > {pipe}"]):
        assert not has_many(str(pipe))
        assert read_prompt(str(pipe)) == "The store is"
        assert [prompt.text for prompt in read_prompts([str(pipe)])] == ["The store is"]


@needs_fifo
def test_ctrl_c_ends_the_wait_for_a_pipe_that_nobody_writes_to(tmp_path: Path) -> None:
    pipe = tmp_path / "silent.prompt"
    os.mkfifo(pipe)
    command = [sys.executable, "-m", "lm_transparency", "analyze", str(pipe)]
    # opening waits for a reader: from then on it reads
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process, open(pipe, "wb"):
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=60)
    assert process.returncode == 130
    assert said == "lm-transparency: Interrupted.\n"


def test_stdin_is_read_once_and_the_next_command_has_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    given(monkeypatch, "one")
    assert inputs.input_bytes("-") == inputs.input_bytes("-") == b"one"
    assert main(["--version"]) == 0
    given(monkeypatch, "two")
    assert inputs.input_bytes("-") == b"two"


def test_stdin_may_hold_a_data_set(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = [json.dumps({"prompt": text}) for text in ("The store", "John went")]
    given(monkeypatch, "\n".join(lines))
    assert [p.text for p in read_prompts(["-"])] == ["The store", "John went"]
    assert [p.text for p in read_prompts([], ["-"])] == lines


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("", "the name is empty"),
        ("a\0b", "NUL"),
        (".", "it is a folder"),
        ("~no-such-user.txt", os.strerror(errno.ENOENT)),
        ("/dev/zero", "more than"),
    ],
)
def test_what_cannot_be_read_says_why(name: str, why: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inputs, "LARGEST", 1000)
    with pytest.raises(OSError) as caught:  # noqa: PT011  # the words are in strerror
        inputs.input_bytes(name)
    assert why in caught.value.strerror
    with pytest.raises(TransparencyError, match=why):
        read_prompt(name)


@pytest.mark.parametrize("name", ["~draft.txt", "-", "a\nb.txt", "[x].txt", " .txt"])
def test_any_name_is_a_files_name(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path(f"./{name}").write_text("")
    assert main(["analyze", f"./{name}" if name == "-" else name]) == 2
    assert capsys.readouterr().err == "lm-transparency: The prompt is empty. Write or select some text to analyse.\n"


@pytest.mark.parametrize(
    "arguments",
    [["analyze", ""], ["analyze", "", ""], ["analyze", "--lines", ""], ["lens", ""], ["inspect", "node", "I0_0", ""]],
)
def test_an_empty_name_is_no_name_of_the_current_folder(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 2
    assert "name" in capsys.readouterr().err
