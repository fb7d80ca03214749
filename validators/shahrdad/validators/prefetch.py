"""Reads ahead on a thread: parsing releases the interpreter, so both sides run at once.

The queue is bounded, so a slow consumer stops the reader. An error of the reader is
raised at the consumer, at its place in the order.
"""

import queue
import threading
from collections.abc import Iterator
from typing import TypeVar

AHEAD = 3  # items read before they are asked for

Item = TypeVar("Item")


class _End:
    """The last thing on the queue, with the reader's error if there was one."""

    def __init__(self, error: BaseException | None) -> None:
        self.error = error


def prefetched(items: Iterator[Item], ahead: int = AHEAD) -> Iterator[Item]:
    """Yield the items of an iterator, which runs on a thread of its own.

    The thread ends with the iterator, or when this generator is closed.

    >>> list(prefetched(iter([1, 2, 3])))
    [1, 2, 3]
    """
    waiting: queue.Queue[Item | _End] = queue.Queue(ahead)
    stopped = threading.Event()

    def put(item: Item | _End) -> None:
        while not stopped.is_set():
            try:
                waiting.put(item, timeout=0.1)
            except queue.Full:
                continue
            return

    def read() -> None:
        error: BaseException | None = None
        try:
            for item in items:
                put(item)
                if stopped.is_set():
                    break
        except BaseException as raised:
            error = raised
        finally:
            close = getattr(items, "close", None)
            if close is not None:
                close()
        put(_End(error))

    thread = threading.Thread(target=read, name="shahrdad-reader", daemon=True)
    thread.start()
    try:
        while True:
            item = waiting.get()
            if isinstance(item, _End):
                if item.error is not None:
                    raise item.error
                return
            yield item
    finally:
        stopped.set()
        thread.join()


__all__ = ["prefetched"]
