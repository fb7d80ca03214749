"""Wakes the long polls when a head changed, without a thread for each of them.

A change in this process wakes them at once, through the store's `on_change`. Another
process that shares the database is noticed within a second, by looking at the highest
`seq` while somebody waits.
"""

import asyncio
import contextlib
from collections.abc import Callable

from shahrdad.federation.log.store import LogStore

LOOK_SECONDS = 1.0


class Changes:
    """The highest `seq` seen, and who waits for a higher one.

    Made and used within one event loop; `close` it there.

    Args:
        store: The node's logs.
    """

    def __init__(self, store: LogStore) -> None:
        self._store = store
        self._loop = asyncio.get_running_loop()
        self._changed = asyncio.Event()
        self._waiting = 0
        self._unlisten: Callable[[], None] = store.on_change(self._tell)
        self._looking = asyncio.create_task(self._look())

    def watch(self) -> asyncio.Event:
        """Return what the next change sets; take it before looking at the store."""
        return self._changed

    async def wait(self, watch: asyncio.Event, seconds: float) -> bool:
        """Wait for a change, at most so long; return whether one came."""
        self._waiting += 1
        try:
            async with asyncio.timeout(seconds):
                await watch.wait()
        except TimeoutError:
            return False
        finally:
            self._waiting -= 1
        return True

    @property
    def waiting(self) -> int:
        """How many wait now."""
        return self._waiting

    async def close(self) -> None:
        """Stop listening."""
        self._unlisten()
        self._looking.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._looking

    def _tell(self) -> None:
        """Wake everybody, from the thread that wrote."""
        with contextlib.suppress(RuntimeError):  # the loop was closed meanwhile
            self._loop.call_soon_threadsafe(self._wake)

    def _wake(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()

    async def _look(self) -> None:
        """Notice the changes of other processes."""
        known = await asyncio.to_thread(self._store.last_seq)
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            if not self._waiting:
                continue
            seq = await asyncio.to_thread(self._store.last_seq)
            if seq != known:
                known = seq
                self._wake()
