"""What was lent to Arrow's threads, and whether any of it is still held."""

import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest import mock

from shahrdad.datasets.lending import Loan


@contextmanager
def lending_watched() -> Iterator[list[weakref.ref[Any]]]:
    """Yield a list that grows with each object lent within the block."""
    lent: list[weakref.ref[Any]] = []
    lend = Loan.lend

    def remember(loan: Loan, thing: Any) -> Any:
        lent.append(weakref.ref(thing))
        return lend(loan, thing)

    with mock.patch.object(Loan, "lend", remember):
        yield lent
