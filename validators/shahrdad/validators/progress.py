"""How far a validation is, and how to stop it."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from threading import Event

INTERVAL_SECONDS = 0.1  # at most ten reports a second


class Cancelled(Exception):  # noqa: N818 - a request that was granted, not an error
    """The caller's token was set; nothing was committed."""


class CancelToken:
    """Set by the caller, from any thread, to stop a validation within one batch."""

    def __init__(self) -> None:
        self._event = Event()

    def cancel(self) -> None:
        """Ask for the stop."""
        self._event.set()

    @property
    def cancelled(self) -> bool:
        """Whether the stop was asked for."""
        return self._event.is_set()


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a validation is.

    Attributes:
        stage: `read`, `keys`, `rules` or `done`.
        bytes: Bytes of the source read so far, where that is known.
        total: Bytes of the source, where that is known.
        rows: Rows judged.
        errors: Errors found.
    """

    stage: str
    bytes: int
    total: int
    rows: int
    errors: int


OnProgress = Callable[[Progress], None]


class Ticker:
    """Reports progress at most ten times a second, and raises when cancelled."""

    def __init__(
        self, on_progress: OnProgress | None, cancel: CancelToken | None
    ) -> None:
        self._on_progress = on_progress
        self._cancel = cancel
        self._last = 0.0

    def tick(self, progress: Progress, *, always: bool = False) -> None:
        """Report, unless the last report is recent.

        Raises:
            Cancelled: The token was set.
        """
        if self._cancel is not None and self._cancel.cancelled:
            raise Cancelled
        if self._on_progress is None:
            return
        now = time.monotonic()
        if always or now - self._last >= INTERVAL_SECONDS:
            self._last = now
            self._on_progress(progress)


__all__ = ["CancelToken", "Cancelled", "OnProgress", "Progress", "Ticker"]
