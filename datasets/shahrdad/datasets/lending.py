"""Objects lent to another library's threads, and when they have been given back.

Arrow reads ahead on threads of its own. Such a thread may still hold a Python object
when Arrow has returned. If the interpreter ends then, the thread asks for a lock that
is no more and the process aborts (`PyGILState_Release`, signal 6), its work done: with
the machine busy, one run in five of a program that reads a Parquet file. So what reads
with Arrow lends it each object, and leaves when all of them are let go.

>>> import io
>>> loan = Loan()
>>> reader = io.BufferedReader(loan.lend(io.BytesIO()))
>>> len(loan), loan.take_back(seconds=0.01)
(1, False)
>>> del reader
>>> loan.take_back(seconds=1), len(loan)
(True, 0)
"""

import queue
import time
import weakref
from types import TracebackType
from typing import Any, Self

PATIENCE_SECONDS = 1.0  # then it is left all the same: later is better than never


class Loan:
    """Counts objects until nobody holds them.

    Leaving waits for them, at most `PATIENCE_SECONDS`: by then the caller has let go of
    them, and of what reads them (`del`, on an error too: its traceback holds frames).
    """

    def __init__(self) -> None:
        self._lent: dict[int, weakref.ref[Any]] = {}
        # Filled from C alone: whoever lets go of an object runs no Python of ours, and
        # is done with the interpreter by the time that this is read.
        self._returned: queue.SimpleQueue[weakref.ref[Any] | None] = queue.SimpleQueue()

    def __len__(self) -> int:
        """Return how many objects were not seen to be given back."""
        return len(self._lent)

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Wait until everything is given back."""
        until = time.monotonic() + PATIENCE_SECONDS
        while self._lent and self.take_back(until - time.monotonic()):
            pass

    def lend(self, thing: Any) -> Any:
        """Return an object, counted from now on; it takes weak references."""
        watch = weakref.ref(thing, self._returned.put)
        self._lent[id(watch)] = watch
        return thing

    def wake(self) -> None:
        """End one waiting of `take_back`, as if something had come."""
        self._returned.put(None)

    def take_back(self, seconds: float) -> bool:
        """Wait for one object; tell whether one came in time."""
        try:
            watch = self._returned.get(timeout=max(0.0, seconds))
        except queue.Empty:
            return False
        if watch is not None:
            del self._lent[id(watch)]
        return True


__all__ = ["PATIENCE_SECONDS", "Loan"]
