"""The process ends with its client, at once, whatever it computes; its streams carry nothing but its messages."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import psutil
import pytest
from language_client import HERE, Client, Refused, StartClient

LOAD = "lmTransparency/loadModel"


def busy(client: Client) -> Client:
    """`client`, during a computation that cannot be interrupted."""
    client.request(LOAD, {"source": "sleep"})
    client.until_logged("began sleep")
    return client


def test_the_end_of_stdin_ends_a_computing_process(fake: Client) -> None:
    busy(fake).close_stdin()
    assert fake.process.wait(5) == 0


def test_the_end_of_stdin_ends_a_process_that_is_still_importing(start: StartClient) -> None:
    client = start("-m", "lm_transparency.server")
    client.initialize()
    client.close_stdin()
    assert client.process.wait(10) == 0


def test_a_child_that_downloads_is_gone_with_the_process(fake: Client) -> None:
    fake.request(LOAD, {"source": "child", "workDoneToken": "t"})
    fake.until_logged(".\n")
    child = psutil.Process(int(fake.stderr().split("child ")[-1].split(".")[0]))
    fake.wait_for(lambda m: "5 of 93 MB" in str(m))
    fake.close_stdin()
    assert fake.process.wait(5) == 0
    assert not child.is_running()


@pytest.mark.parametrize(("with_shutdown", "code"), [(True, 0), (False, 1)])
def test_exit_ends_a_computing_process_with_the_code_that_the_protocol_states(
    with_shutdown: bool, code: int, fake: Client
) -> None:
    running = busy(fake).requests[-1]
    if with_shutdown:
        assert fake.ask("shutdown") is None
        with pytest.raises(Refused) as refused:
            fake.answer(running)
        assert refused.value.kind == "cancelled"
    fake.notify("exit")
    assert fake.process.wait(5) == code


@pytest.mark.skipif(os.name != "posix", reason="signals are a POSIX thing")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_a_computing_process_without_a_traceback(number: signal.Signals, fake: Client) -> None:
    busy(fake).process.send_signal(number)
    assert fake.process.wait(5) == 128 + number
    assert "Traceback" not in fake.stderr()


def test_a_killed_client_leaves_no_process(empty_packages: dict[str, str]) -> None:
    program = f"""
import sys, time
sys.path.insert(0, {str(HERE)!r})
from language_client import Client
client = Client((sys.executable, {str(HERE / "fake_session.py")!r}))
client.initialize()
client.request({LOAD!r}, {{"source": "sleep"}})
client.until_logged("began sleep")
print(client.process.pid, flush=True)
time.sleep(600)
"""
    parent = subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, env={**os.environ, **empty_packages}
    )
    assert parent.stdout is not None
    server = psutil.Process(int(parent.stdout.readline()))
    assert server.is_running()
    parent.kill()
    parent.wait(5)
    end = time.monotonic() + 5
    while server.is_running() and server.status() != psutil.STATUS_ZOMBIE:
        assert time.monotonic() < end, "the server outlives its client"
        time.sleep(0.02)


def test_a_client_that_closes_only_its_reading_end_is_gone_too(empty_packages: dict[str, str]) -> None:
    reading, writing = os.pipe()
    process = subprocess.Popen(
        [sys.executable, "-m", "lm_transparency.server"],
        stdin=subprocess.PIPE,
        stdout=writing,
        env={**os.environ, **empty_packages},
    )
    os.close(reading)
    os.close(writing)
    assert process.stdin is not None
    body = b'{"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {"capabilities": {}}}'
    process.stdin.write(b"Content-Length: %d\r\n\r\n" % len(body) + body)
    process.stdin.flush()
    try:
        assert process.wait(10) == 0
    finally:
        process.kill()
        process.stdin.close()


def test_what_python_the_system_and_children_write_to_stdout_goes_to_stderr(fake: Client) -> None:
    with pytest.raises(Refused):
        fake.ask(LOAD, {"source": "print"})
    fake.ask("lmTransparency/health")
    assert fake.garbage == b""
    for text in ("printed to stdout", "written to fd 1", "echoed by a child", "read '' from stdin"):
        assert text in fake.stderr()


@pytest.mark.skipif(os.name != "posix", reason="a shell closes the streams")
def test_a_server_without_stdout_says_so(empty_packages: dict[str, str]) -> None:
    done = subprocess.run(
        ["sh", "-c", f"exec {sys.executable} -m lm_transparency.server >&-"],
        env={**os.environ, **empty_packages},
        stdin=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        timeout=20,
        check=False,
    )
    assert done.returncode == 2
    assert b"is closed" in done.stderr


@pytest.mark.skipif(os.name != "posix", reason="a shell closes the streams")
def test_a_server_without_stderr_serves(empty_packages: dict[str, str]) -> None:
    client = Client(("sh", "-c", f'exec "{sys.executable}" "{HERE / "fake_session.py"}" 2>&-'), **empty_packages)
    try:
        client.initialize()
        with pytest.raises(Refused):
            client.ask(LOAD, {"source": "print"})
        assert client.ask("lmTransparency/unloadModel", {"source": "a"}) == {"unloaded": ["a"]}
        assert client.garbage == b""
    finally:
        client.end()
