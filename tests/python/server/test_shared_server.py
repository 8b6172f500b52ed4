"""One server for several windows: started once, kept over a lost link, fair, private, and ended by itself."""

from __future__ import annotations

import os
import re
import signal
import socket
import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest
from language_client import Client, Refused
from shared_world import PING, World, leave, until

from lm_transparency.server.compute.priority import n_cores

pytestmark = pytest.mark.skipif(os.name != "posix", reason="Unix sockets")

ANALYZE, HEALTH, LOAD, QUIT, UNLOAD = (
    f"lmTransparency/{name}" for name in ("analyze", "health", "loadModel", "quit", "unloadModel")
)
as_root = pytest.mark.skipif(os.name != "posix" or os.getuid() != 0, reason="only root can be another user")


def running(client: Client, source: str) -> int:
    """A request of `client` that has started to run."""
    token = f"t{source}{len(client.requests)}"
    msg_id = client.request(ANALYZE, {"source": "analyzed", "prompt": source, "workDoneToken": token})
    client.wait_for(lambda m: m.get("method") == "$/progress" and "Forward" in str(m) and token in str(m))
    return msg_id


def test_many_that_attach_at_once_start_one_server(world: World) -> None:
    with ThreadPoolExecutor() as pool:
        clients = list(pool.map(lambda _: world.raw(), range(6)))
    assert len({world.process_id(client) for client in clients}) == 1
    assert sum(b'"started": true' in client.garbage for client in clients) == 1


def test_a_goodbye_is_heard_after_many_words_whose_answers_nobody_waits_for(world: World) -> None:
    client = world.client("a")
    for _ in range(5000):
        client.request(PING)
    client.notify("exit")
    stdin = client.process.stdin
    assert stdin is not None
    stdin.close()
    log = next(world.folder.glob("*.log"))
    until(lambda: "; 0 left." in log.read_text())
    assert "A client left; 0 left." in log.read_text()
    assert client.process.wait(10) == 0


def test_neither_the_server_nor_its_session_ever_steps_back(world: World) -> None:
    server = world.process_id(world.raw("--low-priority"))
    threads = psutil.Process(server).threads()
    assert {os.getpriority(os.PRIO_PROCESS, thread.id) for thread in threads} == {os.nice(0)}
    session = Path(f"/proc/{server}/autogroup")
    if session.exists():
        assert session.read_text().split()[1:] == ["nice", "0"]


def test_an_analysis_of_what_is_typed_leaves_a_core_to_the_editor(world: World) -> None:
    # the real torch, not the empty one
    del world.environment["PYTHONPATH"]
    world.environment["OMP_NUM_THREADS"] = str(n_cores())
    log = world.fake_server("--low-priority")
    client = world.client()
    for live in (True, False):
        with pytest.raises(Refused):
            client.ask(ANALYZE, {"source": "analyzed", "prompt": "threads", "live": live})
    found = re.findall(r"computes on (\d+) threads", log.read_text())
    assert found == [str(max(1, n_cores() - 1)), str(n_cores())]


def test_what_a_shell_prints_before_stands_on_lines_of_its_own(world: World) -> None:
    client = world.raw()
    world.process_id(client)
    assert re.fullmatch(rb'\nlm-transparency attached \{".*\}\n', client.garbage)


def test_folder_socket_and_log_are_the_users_alone(world: World) -> None:
    world.process_id(world.client())
    assert stat.S_IMODE(world.folder.stat().st_mode) == 0o700
    modes = {file.suffix: stat.S_IMODE(file.stat().st_mode) for file in world.folder.iterdir()}
    assert modes == {".sock": 0o600, ".lock": 0o600, ".log": 0o600}


def test_the_server_listens_on_no_port(world: World) -> None:
    process = psutil.Process(world.process_id(world.client()))
    assert process.net_connections("inet") == []


def test_a_folder_that_others_can_open_is_refused(world: World) -> None:
    world.folder.mkdir(mode=0o755)
    world.folder.chmod(0o755)
    client = world.raw()
    assert client.process.wait(10) == 6
    assert "open to other users. Remove it" in client.stderr()


@as_root
def test_another_users_folder_and_a_link_are_refused(world: World) -> None:
    world.folder.mkdir(mode=0o700)
    os.chown(world.folder, 65534, 65534)
    assert world.raw().process.wait(10) == 6
    world.folder.rmdir()
    world.folder.symlink_to("/root")
    client = world.raw()
    assert client.process.wait(10) == 6
    assert "is not a folder of this user" in client.stderr()
    world.folder.unlink()


_CONNECT = """
import socket, sys
peer = socket.socket(socket.AF_UNIX)
peer.settimeout(10)
peer.connect(sys.argv[1])
print(repr(peer.recv(100)))
"""


@as_root
def test_another_user_is_refused_by_the_folder_and_behind_it_by_the_server(world: World) -> None:
    process_id = world.process_id(world.client())
    path = next(world.folder.glob("*.sock"))

    def as_nobody() -> subprocess.CompletedProcess[str]:
        command = ["/usr/bin/env", "python3", "-I", "-c", _CONNECT, str(path)]
        return subprocess.run(command, user=65534, capture_output=True, text=True, check=False, cwd="/")

    assert "PermissionError" in as_nobody().stderr
    world.folder.chmod(0o755)
    path.chmod(0o666)
    refused = as_nobody()
    assert refused.stdout.strip() == "b''", refused.stderr
    until(lambda: any("another user was refused" in log.read_text() for log in world.folder.glob("*.log")))
    world.folder.chmod(0o700)
    assert world.process_id(world.client()) == process_id


@as_root
def test_a_listener_of_another_user_is_not_spoken_to(world: World) -> None:
    process_id = world.process_id(world.client())
    path = next(world.folder.glob("*.sock"))
    os.kill(process_id, signal.SIGKILL)
    path.unlink()
    world.folder.chmod(0o777)
    listen = (
        f"import socket, time; s = socket.socket(socket.AF_UNIX); s.bind({str(path)!r}); s.listen(); time.sleep(60)"
    )
    other = subprocess.Popen(["/usr/bin/env", "python3", "-I", "-c", listen], user=65534, cwd="/")
    try:
        until(path.exists)
        world.folder.chmod(0o700)
        os.chown(path, 0, 0)
        client = world.raw()
        assert client.process.wait(10) == 6
        assert "Another user listens" in client.stderr()
    finally:
        other.kill()
        other.wait()


def test_the_server_outlives_a_killed_link_and_knows_what_it_knew(world: World) -> None:
    world.fake_server("--grace", "4")
    first = world.client("window")
    before = first.ask(HEALTH)
    first.process.kill()
    first.process.wait()
    # longer than the grace after a goodbye
    with pytest.raises(AssertionError):
        until(lambda: not psutil.pid_exists(before["processId"]), timeout=2)
    assert world.client("window").ask(HEALTH)["instance"] == before["instance"]


def test_a_window_that_died_is_waited_for_as_long_as_it_has_said(world: World) -> None:
    process = psutil.Process(world.process_id(world.client("window", options=("--grace", "0.5"), awayMinutes=0.02)))
    processes = [process, process.parent()]
    world.clients[-1].process.kill()
    until(lambda: not any(one.is_running() and one.status() != "zombie" for one in processes if one), timeout=10)
    assert list(world.folder.glob("*.sock")) == []


def test_after_the_last_goodbye_and_the_grace_nothing_is_left(world: World) -> None:
    clients = [world.client(name, options=("--grace", "1")) for name in ("one", "two")]
    process = psutil.Process(world.process_id(clients[0]))
    # it, and its keeper
    processes = [process, process.parent()]
    assert leave(clients[0]) == 0
    assert clients[1].ask(PING) is None
    assert leave(clients[1]) == 0
    until(lambda: not any(one.is_running() and one.status() != "zombie" for one in processes if one))
    assert list(world.folder.glob("*.sock")) == []


@pytest.mark.parametrize("reads_on", [True, False], ids=["after more that is pending", "alone"])
def test_a_goodbye_counts_though_nobody_waits_until_a_busy_server_has_read_it(world: World, reads_on: bool) -> None:
    log = world.fake_server("--grace", "4")
    client = world.client("window")
    server = psutil.Process(world.process_id(client))
    server.suspend()
    if reads_on:
        for _ in range(20):
            client.request(HEALTH)
    client.request("shutdown")
    client.notify("exit")
    assert client.process.stdin is not None
    client.process.stdin.close()
    assert client.process.wait(10) == 0
    server.resume()
    until(lambda: "A client " in log.read_text())
    assert "A client left" in log.read_text()
    until(lambda: not server.is_running() or server.status() == "zombie")


def test_a_window_that_comes_back_within_the_grace_finds_the_same_process(world: World) -> None:
    first = world.client("a")
    before = world.process_id(first)
    leave(first)
    assert world.process_id(world.client("b")) == before


def test_an_idle_server_lets_go_of_the_model_and_later_ends(world: World) -> None:
    log = world.fake_server("--rest", "1")
    client = world.client("window", idleMinutes=0.02)
    assert client.ask(UNLOAD, {"source": "work"}) == {"unloaded": ["work"]}
    assert client.process.wait(20) == 0
    assert "Idle; ending." in log.read_text()


def test_a_client_that_freezes_is_noticed_and_one_that_pings_is_kept(world: World) -> None:
    world.fake_server()
    frozen, awake = world.client("frozen", silenceS=1.5), world.client("awake", silenceS=1.5)
    running(frozen, "of the frozen")

    def frozen_is_gone() -> bool:
        awake.ask(PING)
        return frozen.process.poll() is not None

    until(frozen_is_gone)
    assert awake.ask(UNLOAD, {"source": "next"}) == {"unloaded": ["next"]}


def test_a_window_that_comes_back_takes_the_place_of_its_frozen_connection(world: World) -> None:
    world.fake_server()
    frozen = world.client("same", silenceS=20)
    running(frozen, "of the old connection")
    again = world.client("same", silenceS=20)
    assert frozen.process.wait(10) == 0
    assert again.ask(UNLOAD, {"source": "next"}) == {"unloaded": ["next"]}


def test_a_lost_client_takes_only_its_own_requests_along(world: World) -> None:
    log = world.fake_server()
    lost, other = world.client("lost"), world.client("other")
    running(lost, "first")
    lost.request(UNLOAD, {"source": "never"})
    kept = [other.request(UNLOAD, {"source": f"kept {i}"}) for i in range(3)]
    lost.process.kill()
    assert [other.answer(i) for i in kept] == [{"unloaded": [f"kept {i}"]} for i in range(3)]
    assert "unloaded never" not in log.read_text()


def test_what_a_lost_client_loads_is_loaded_to_the_end_and_no_more(world: World) -> None:
    log = world.fake_server()
    lost = world.client("lost")
    lost.request(ANALYZE, {"source": "slow", "prompt": "of the lost", "workDoneToken": "t"})
    until(lambda: "began slow" in log.read_text())
    lost.process.kill()
    again = world.client("lost")
    assert again.ask(UNLOAD, {"source": "next"}) == {"unloaded": ["next"]}
    assert "ended slow" in log.read_text()
    assert "began to analyze" not in log.read_text()


def test_a_cancelled_load_ends_at_once(world: World) -> None:
    log = world.fake_server()
    client = world.client("window")
    msg_id = client.request(LOAD, {"source": "slow"})
    until(lambda: "began slow" in log.read_text())
    client.cancel(msg_id)
    assert client.ask(UNLOAD, {"source": "next"}) == {"unloaded": ["next"]}
    assert "ended slow" not in log.read_text()


def test_windows_take_turns_and_within_one_the_newest_request_is_first(world: World) -> None:
    log = world.fake_server()
    greedy, modest = world.client("greedy"), world.client("modest")
    blocking = running(greedy, "long")
    asked = [greedy.request(UNLOAD, {"source": f"greedy {i}"}) for i in range(4)]
    greedy.ask(PING)
    late = [modest.request(UNLOAD, {"source": f"modest {i}"}) for i in range(2)]
    modest.ask(PING)
    greedy.cancel(blocking)
    for client, ids in ((greedy, asked), (modest, late)):
        for msg_id in ids:
            client.answer(msg_id)
    order = re.findall(r"unloaded (.*)", log.read_text())
    assert order == ["greedy 3", "modest 1", "greedy 2", "modest 0", "greedy 1", "greedy 0"]


def test_a_request_that_waits_says_how_many_are_before_it(world: World) -> None:
    world.fake_server()
    first, second = world.client("first"), world.client("second")
    blocking = running(first, "long")
    first.request(ANALYZE, {"source": "analyzed", "prompt": "another", "workDoneToken": "w"})
    first.ask(PING)
    waiting = second.request(ANALYZE, {"source": "analyzed", "prompt": "mine", "workDoneToken": "mine"})

    def told(words: str) -> None:
        second.wait_for(lambda m: m.get("method") == "$/progress" and words in str(m))

    told("Waiting for 2 requests before this one")
    first.cancel(blocking)
    told("Waiting for 1 request before this one")
    second.cancel(waiting)
    with pytest.raises(Refused):
        second.answer(waiting)


def test_the_log_of_a_failure_holds_no_prompt(world: World) -> None:
    log = world.fake_server()
    client = world.client("window")
    with pytest.raises(Refused):
        client.ask(ANALYZE, {"source": "os", "prompt": "a secret of mine"})
    assert "A request failed unexpectedly" in log.read_text()
    assert "a secret of mine" not in log.read_text()


def test_a_stale_socket_is_no_obstacle(world: World) -> None:
    first = world.client()
    os.kill(world.process_id(first), signal.SIGKILL)
    first.process.wait(10)
    path = next(world.folder.glob("*.sock"))
    with socket.socket(socket.AF_UNIX) as probe, pytest.raises(ConnectionRefusedError):
        probe.connect(str(path))
    assert world.client().ask(PING) is None


def test_where_the_server_computes_decides_which_one_it_is(world: World) -> None:
    one = world.process_id(world.client())
    world.environment["CUDA_VISIBLE_DEVICES"] = "1"
    assert world.process_id(world.client()) != one


def test_attach_imports_nothing_heavy() -> None:
    heavy = "[m for m in ('asyncio', 'pygls', 'torch') if m in sys.modules]"
    script = f"import sys, lm_transparency.server.attach; print({heavy})"
    assert subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout == "[]\n"
