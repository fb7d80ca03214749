"""Hosts whose cables are pulled in tests: network namespaces, or relays on loopback.

    switch.command(host, "python", …)   what runs a program at a host
    switch.listen(host)                 where a program at a host listens
    switch.address(host, other)         how a host reaches another
    switch.pull(host), switch.plug(host)

A `Switch` takes root and Linux; `Relays` need nothing, and cut streams of bytes.
"""

import asyncio
import os
import subprocess
import threading
from collections.abc import Sequence
from itertools import permutations

from shahrdad.node.demonstration.world import free_ports

NETWORK = "10.87.0"
PORT = 50051
BLOCK_BYTES = 65_536
CANNOT = "network namespaces need root and the command ip, and are not to be had here"


def can_make() -> bool:
    """Tell whether a namespace can be made here."""
    name = f"shahrdad-{os.getpid()}-probe"
    try:
        made = subprocess.run(["ip", "netns", "add", name], capture_output=True)
    except FileNotFoundError:
        return False
    if made.returncode:
        return False
    return not subprocess.run(["ip", "netns", "del", name]).returncode


class Switch:
    """A switch, and hosts in network namespaces; the first is 10.87.0.1.

    Everything is gone with `close`, also cables that were pulled.

    Args:
        hosts: Names.
        uncabled: Hosts that no cable ever reaches.
    """

    def __init__(self, hosts: Sequence[str], uncabled: Sequence[str] = ()) -> None:
        self._tag = f"shahrdad-{os.getpid()}"
        self._numbers = {host: n for n, host in enumerate(hosts, 1)}
        self._hub = f"{self._tag}-hub"
        _ip("netns", "add", self._hub)
        _ip("-n", self._hub, "link", "add", "switch", "type", "bridge")
        _ip("-n", self._hub, "link", "set", "switch", "up")
        for host in hosts:
            space = self.namespace(host)
            _ip("netns", "add", space)
            _ip("-n", space, "link", "set", "lo", "up")
            if host not in uncabled:
                self._cable(host, space)

    def namespace(self, host: str) -> str:
        """Return the name of a host's namespace."""
        return f"{self._tag}-{host}"

    def listen(self, host: str) -> tuple[str, int]:
        """Return where a program at a host listens."""
        del host
        return "0.0.0.0", PORT

    def address(self, host: str, other: str) -> str:
        """Return where a host reaches another."""
        del host
        return f"{self._number(other)}:{PORT}"

    def command(self, host: str, *words: str) -> list[str]:
        """Return a command that runs at a host."""
        return ["ip", "netns", "exec", self.namespace(host), *words]

    def pull(self, host: str) -> None:
        """Pull a host's cable."""
        _ip("-n", self._hub, "link", "set", self._port(host), "down")

    def plug(self, host: str) -> None:
        """Plug a host's cable in again."""
        _ip("-n", self._hub, "link", "set", self._port(host), "up")

    def close(self) -> None:
        """Remove all hosts; their processes must have ended."""
        for host in self._numbers:
            _ip("netns", "del", self.namespace(host))
        _ip("netns", "del", self._hub)

    def _cable(self, host: str, space: str) -> None:
        port = self._port(host)
        ends = ["type", "veth", "peer", "name", "eth0", "netns", space]
        _ip("-n", self._hub, "link", "add", port, *ends)
        _ip("-n", self._hub, "link", "set", port, "master", "switch", "up")
        _ip("-n", space, "addr", "add", f"{self._number(host)}/24", "dev", "eth0")
        _ip("-n", space, "link", "set", "eth0", "up")

    def _number(self, host: str) -> str:
        return f"{NETWORK}.{self._numbers[host]}"

    def _port(self, host: str) -> str:
        return f"port{self._numbers[host]}"


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True)


class Relays:
    """Hosts on loopback, with a relay from each to each other; as `Switch`."""

    def __init__(self, hosts: Sequence[str], uncabled: Sequence[str] = ()) -> None:
        self._ports = dict(zip(hosts, free_ports(len(hosts)), strict=True))
        cabled = [host for host in hosts if host not in uncabled]
        ways = list(permutations(cabled, 2))
        self._ways = dict(zip(ways, free_ports(len(ways)), strict=True))
        self._pulled: set[str] = set()
        self._running: dict[asyncio.Task[None], tuple[str, str]] = {}
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._open(), self._loop).result()

    def command(self, host: str, *words: str) -> list[str]:
        """Return a command that runs at a host."""
        del host
        return list(words)

    def listen(self, host: str) -> tuple[str, int]:
        """Return where a program at a host listens."""
        return "127.0.0.1", self._ports[host]

    def address(self, host: str, other: str) -> str:
        """Return where a host reaches another."""
        return f"127.0.0.1:{self._ways.get((host, other), self._ports[other])}"

    def pull(self, host: str) -> None:
        """Cut what runs from and to a host, and let nothing more through."""
        self._pulled.add(host)
        self._loop.call_soon_threadsafe(self._cut, host)

    def plug(self, host: str) -> None:
        """Let streams from and to a host through again."""
        self._pulled.discard(host)

    def close(self) -> None:
        """End all relays."""
        for host in self._ports:
            self.pull(host)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.run_until_complete(self._end())
        self._loop.close()

    async def _open(self) -> None:
        self._servers = [
            await asyncio.start_server(self._relay(way), "127.0.0.1", port)
            for way, port in self._ways.items()
        ]

    async def _end(self) -> None:
        for server in self._servers:
            server.close()
        await asyncio.gather(*self._running, return_exceptions=True)

    def _cut(self, host: str) -> None:
        for task, way in self._running.items():
            if host in way:
                task.cancel()

    def _relay(self, way: tuple[str, str]):  # type: ignore[no-untyped-def]
        """Return what handles a connection of one host to another."""

        async def handle(
            reader: asyncio.StreamReader, writer: asyncio.StreamWriter
        ) -> None:
            task = asyncio.current_task()
            if task is None or self._pulled & set(way):
                writer.transport.abort()
                return
            self._running[task] = way
            writers = [writer]
            try:
                there = await asyncio.open_connection("127.0.0.1", self._ports[way[1]])
                writers.append(there[1])
                await asyncio.gather(_copy(reader, there[1]), _copy(there[0], writer))
            except (asyncio.CancelledError, OSError):
                pass  # a pulled cable, or a host that is down
            finally:
                del self._running[task]
                for one in writers:
                    one.transport.abort()

        return handle


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while content := await reader.read(BLOCK_BYTES):
        writer.write(content)
        await writer.drain()
    writer.write_eof()
