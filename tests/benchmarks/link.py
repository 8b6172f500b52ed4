"""What a thin link costs: bytes and seconds of an analysis and of what is looked at, over ssh and a throttling proxy.

python tests/benchmarks/link.py [Mbit/s] [round trip in ms]
"""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "python" / "server"))
from language_client import Client

SAMPLES = Path(__file__).resolve().parents[2] / "samples"
LONG = " ".join(f"The number {i} follows {i - 1}." for i in range(50))


class Throttle:
    """A TCP proxy that lets so many bits a second through, each way, and delays all by half the round trip."""

    def __init__(self, target: int, mbit: float, round_trip_ms: float) -> None:
        self.port = 0
        self.received = self.sent = 0
        self._target, self._rate, self._delay = target, mbit * 1e6 / 8, round_trip_ms / 2000
        self._ready = threading.Event()
        threading.Thread(target=lambda: asyncio.run(self._serve()), daemon=True).start()
        self._ready.wait()

    async def _serve(self) -> None:
        server = await asyncio.start_server(self._connected, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        await server.serve_forever()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._target)
        await asyncio.gather(self._pass(reader, far_writer, "sent"), self._pass(far_reader, writer, "received"))

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, what: str) -> None:
        loop, free_at = asyncio.get_running_loop(), 0.0
        while data := await reader.read(4096):
            setattr(self, what, getattr(self, what) + len(data))
            free_at = max(free_at, time.monotonic()) + len(data) / self._rate
            loop.call_later(free_at - time.monotonic() + self._delay, writer.write, data)
            # a sender is held back as by a full buffer of the line
            await asyncio.sleep(max(0.0, free_at - time.monotonic() - 0.05))
        loop.call_later(self._delay + 0.05, writer.close)


def start_sshd(folder: Path) -> tuple[subprocess.Popen[bytes], int]:
    for key in ("host", "mine"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / key)], check=True)
    Path("/run/sshd").mkdir(exist_ok=True)
    port = 20000 + os.getpid() % 20000
    options = [f"-oPort={port}", "-oListenAddress=127.0.0.1", f"-oHostKey={folder}/host", "-oUsePAM=no"]
    options += [f"-oAuthorizedKeysFile={folder}/mine.pub", "-oStrictModes=no", "-oPidFile=none"]
    daemon = subprocess.Popen([shutil.which("sshd") or "/usr/sbin/sshd", "-D", "-e", "-f", "/dev/null", *options])
    time.sleep(0.5)
    return daemon, port


def main() -> None:
    mbit, round_trip = (float(word) for word in (sys.argv[1:] + ["10", "100"][len(sys.argv) - 1 :]))
    folder = Path(tempfile.mkdtemp(prefix="lmt-link-", dir="/tmp"))
    daemon, port = start_sshd(folder)
    throttle = Throttle(port, mbit, round_trip)
    ssh = ["ssh", "-F", "/dev/null", "-T", "-oBatchMode=yes", "-oStrictHostKeyChecking=no", "-oLogLevel=ERROR"]
    ssh += [f"-oUserKnownHostsFile={folder}/known", f"-i{folder}/mine", f"-p{throttle.port}", "--", "127.0.0.1"]
    attach = f"LM_TRANSPARENCY_RUNTIME_DIR={folder}/run exec {sys.executable} -m lm_transparency attach --grace 1"
    client = Client((*ssh, attach))
    print(f"{mbit:g} Mbit/s, round trip {round_trip:g} ms")
    try:
        measure(throttle, "connect", lambda: client.initialize())
        client.ask("lmTransparency/loadModel", timeout=300)
        for name, prompt in (("ioi.prompt", (SAMPLES / "ioi.prompt").read_text().rstrip("\n")), ("long", LONG)):
            show(client, throttle, name, prompt)
    finally:
        client.end()
        daemon.kill()
        time.sleep(2)
        shutil.rmtree(folder, ignore_errors=True)


def show(client: Client, throttle: Throttle, name: str, prompt: str) -> None:
    def ask(what: str, params: dict[str, Any]) -> Any:
        return client.ask(f"lmTransparency/{what}", params, timeout=300)

    ask("analyze", {"prompt": prompt})
    run = measure(throttle, f"{name}: graph (analysis again)", lambda: ask("analyze", {"prompt": prompt}))["runId"]
    tokens = {"runId": run, "node": "I9_5", "topK": 10}
    measure(throttle, f"{name}: a node", lambda: ask("nodeTokens", tokens))
    measure(throttle, f"{name}: one map", lambda: ask("attentionMap", {"runId": run, "layer": 9, "head": 3}))
    thumbnails = {"runId": run, "layer": 9, "side": 48}
    measure(throttle, f"{name}: a layer's thumbnails", lambda: ask("layerMaps", thumbnails))


def measure(throttle: Throttle, what: str, act: Any) -> Any:
    before, begun = (throttle.sent, throttle.received), time.monotonic()
    result = act()
    seconds = time.monotonic() - begun
    sent, received = throttle.sent - before[0], throttle.received - before[1]
    print(f"{what:40} {received / 1000:9.1f} kB received, {sent / 1000:6.1f} kB sent, {seconds:5.2f} s", flush=True)
    return result


if __name__ == "__main__":
    main()
