"""Finished exports on their way to readers: files on the side, bounded together.

A selection is made whole before its first byte is sent. So the place where it was made
is free however slowly it is taken; length and digest stand in the headers; and an error
is an answer, never a file that ends too soon.

What a slow reader still holds is disk. When the files pass a bound together, those
whose readers have taken nothing for longest are given up: such a transfer ends short of
its length, so that nobody takes it for the whole.

>>> outgoing = Outgoing(bytes_max=8)
>>> slow = outgoing.make(Path(), lambda file: file.write(b"1403"))
>>> fast = outgoing.make(Path(), lambda file: file.write(b"140456"))
>>> b"".join(fast.pieces()), fast.size
(b'140456', 6)
>>> next(slow.pieces())
Traceback (most recent call last):
shahrdad.node.http.exports.outgoing.GivenUpError
"""

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, TYPE_CHECKING

import structlog
from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from shahrdad.datasets.errors import Reason, RequestError
from shahrdad.federation.verify.digest import Digest
from shahrdad.node.database import full_disk_said
from shahrdad.node.http import limits
from shahrdad.node.http.object_files import repr_digest

if TYPE_CHECKING:
    import pyarrow as pa

LOG = structlog.get_logger("shahrdad.http.exports")


class GivenUpError(Exception):
    """A file was closed before its reader had all of it."""


class OutgoingFile:
    """An export that one reader takes; its file has no name and ends with it.

    Attributes:
        size: Its bytes.
    """

    def __init__(self, file: IO[bytes], outgoing: "Outgoing") -> None:
        sha256 = hashlib.sha256()
        file.seek(0)
        while chunk := file.read(limits.CHUNK_BYTES):
            sha256.update(chunk)
        self.size = file.tell()
        self.digest = Digest(sha256.digest())
        self._file = file
        self._outgoing = outgoing
        self._lock = threading.Lock()  # one thread reads, another may give it up

    def pieces(self) -> Iterator[bytes]:
        """Yield its bytes; each piece that is asked for counts as progress.

        Raises:
            GivenUpError: It was closed meanwhile.
        """
        taken = 0
        while taken < self.size:
            self._outgoing.progressed(self)
            with self._lock:
                if self._file.closed:
                    raise GivenUpError
                self._file.seek(taken)
                piece = self._file.read(limits.SENT_BYTES)
            taken += len(piece)
            yield piece

    def close(self) -> None:
        """Give its bytes back to the disk; a second time does nothing."""
        self._outgoing.forget(self)
        with self._lock:
            self._file.close()


class Outgoing:
    """The files that readers still take.

    Args:
        bytes_max: Of all of them together.
        files_max: How many there may be.
    """

    def __init__(
        self,
        bytes_max: int = limits.OUTGOING_BYTES_MAX,
        files_max: int = limits.OUTGOING_FILES_MAX,
    ) -> None:
        self._bytes_max = bytes_max
        self._files_max = files_max
        self._lock = threading.Lock()
        self._files: OrderedDict[OutgoingFile, None] = OrderedDict()  # idlest first

    def __len__(self) -> int:
        """How many files readers still take."""
        with self._lock:
            return len(self._files)

    def make(self, folder: Path, write: Callable[[IO[bytes]], object]) -> OutgoingFile:
        """Make an export, and room for it.

        Args:
            folder: Of the file, which has no name there.
            write: Writes the export.

        Raises:
            RequestError: EXPORT_BYTES_TOO_LARGE, and as `write`.
            UnavailableError: DISK_FULL.
        """
        file = TemporaryFile(dir=folder)  # noqa: SIM115 - its reader closes it
        try:
            with full_disk_said():
                write(file)
                check_bytes(file)
                made = OutgoingFile(file, self)
        except BaseException:
            file.close()
            raise
        for idle in self._admit(made):
            idle.close()
        return made

    def _admit(self, made: OutgoingFile) -> list[OutgoingFile]:
        """Count a file in; return those that must make room."""
        idle = []
        with self._lock:
            self._files[made] = None
            held = sum(one.size for one in self._files)
            while len(self._files) > 1 and (
                held > self._bytes_max or len(self._files) > self._files_max
            ):
                one, _ = self._files.popitem(last=False)
                held -= one.size
                idle.append(one)
        return idle

    def progressed(self, file: OutgoingFile) -> None:
        """Note that a reader takes more of a file."""
        with self._lock:
            if file in self._files:
                self._files.move_to_end(file)

    def forget(self, file: OutgoingFile) -> None:
        """Count a file out, if it still counts."""
        with self._lock:
            self._files.pop(file, None)


class Counted:
    """Tables on their way into a file; too many rows or bytes are refused.

    Attributes:
        rows: Those that have passed.
    """

    def __init__(
        self, tables: "Iterator[pa.Table]", rows_max: int, file: IO[bytes]
    ) -> None:
        self.rows = 0
        self._tables = tables
        self._rows_max = rows_max
        self._file = file

    def __iter__(self) -> "Iterator[pa.Table]":
        """Yield the tables.

        Raises:
            RequestError: EXPORT_TOO_LARGE, EXPORT_BYTES_TOO_LARGE.
        """
        for table in self._tables:
            self.rows += table.num_rows
            check_rows(self.rows, self._rows_max)
            check_bytes(self._file)
            yield table


def check_rows(rows: int, rows_max: int) -> None:
    """Refuse more rows than a format is made of.

    Raises:
        RequestError: EXPORT_TOO_LARGE.
    """
    if rows > rows_max:
        raise RequestError(Reason.EXPORT_TOO_LARGE, rows=rows, rows_max=rows_max)


def check_bytes(file: IO[bytes]) -> None:
    """Refuse an export that has grown too large.

    Raises:
        RequestError: EXPORT_BYTES_TOO_LARGE.
    """
    bytes_max = limits.EXPORT_BYTES_MAX
    if file.tell() > bytes_max:
        raise RequestError(Reason.EXPORT_BYTES_TOO_LARGE, size_bytes_max=bytes_max)


class OutgoingResponse(StreamingResponse):
    """Sends a finished export, and closes it however the transfer ends.

    Args:
        file: The export.
        headers: Of the answer, without length and digest.
    """

    def __init__(self, file: OutgoingFile, headers: Mapping[str, str]) -> None:
        self._file = file
        honest = {
            "Content-Length": str(file.size),
            "Repr-Digest": repr_digest(file.digest),
        }
        super().__init__(file.pieces(), headers={**headers, **honest})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it."""
        try:
            await super().__call__(scope, receive, send)
        except GivenUpError:
            # Without a last message the server closes the connection, as it should.
            LOG.info("export given up", size_bytes=self._file.size)
        finally:
            self._file.close()
