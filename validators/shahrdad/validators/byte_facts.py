r"""What one look at all bytes of a file tells: length, hash, whether it is UTF-8.

The bytes are read once, into one buffer; while a thread hashes a block, this one looks
at it. Arrow validates UTF-8 several times faster than Python decodes; Python then finds
the place.

>>> import io
>>> facts = look_at(io.BytesIO("شهر,بودجه\n".encode()))
>>> facts.size, facts.bad_byte, facts.plain
(18, None, True)
"""

import hashlib
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from typing import BinaryIO

import pyarrow as pa

BLOCK_BYTES = 1 << 20
HEAD_BYTES = 4_096
_CHARACTER_BYTES = 4  # the longest character in UTF-8


@dataclass(frozen=True, slots=True)
class ByteFacts:
    """What the bytes of a file are.

    Attributes:
        size: How many they are.
        sha256: Their hash, lower-case hexadecimal; None when it was not asked for.
        head: The first ones, at most `HEAD_BYTES`.
        bad_byte: Offset of the first that is not UTF-8; None when all are.
        plain: Whether no quote and no carriage return is among them, so that every
            line feed ends a record; only told of UTF-8.
    """

    size: int
    sha256: str | None
    head: bytes
    bad_byte: int | None
    plain: bool


def look_at(
    stream: BinaryIO,
    *,
    hashed: bool = True,
    grown: Callable[[int], None] | None = None,
) -> ByteFacts:
    """Read a stream to its end.

    Args:
        stream: The bytes.
        hashed: Whether their hash is wanted.
        grown: Told how many were read so far; it may raise.
    """
    buffer = bytearray(_CHARACTER_BYTES + BLOCK_BYTES)
    view = memoryview(buffer)
    digest = hashlib.sha256() if hashed else None
    check = _Utf8Check()
    size, head, plain = 0, b"", True
    with ExitStack() as stack:
        helper: ThreadPoolExecutor | None = None
        while count := fill(stream, view[_CHARACTER_BYTES:]):
            block = view[_CHARACTER_BYTES : _CHARACTER_BYTES + count]
            head = head or bytes(block[:HEAD_BYTES])
            size += count
            if grown is not None:
                grown(size)
            hashing: Future[None] | None = None
            if digest is not None and helper is None and count == BLOCK_BYTES:
                helper = stack.enter_context(ThreadPoolExecutor(1))
            if digest is not None and helper is not None:
                hashing = helper.submit(digest.update, block)
            elif digest is not None:
                digest.update(block)
            if check.bad_byte is None:
                check.feed(buffer, count)
                plain = plain and _has_neither(buffer, count)
            if hashing is not None:
                hashing.result()
    check.end()
    sha256 = None if digest is None else digest.hexdigest()
    plain = plain and check.bad_byte is None
    return ByteFacts(size, sha256, head, check.bad_byte, plain)


def fill(stream: BinaryIO, view: memoryview) -> int:
    """Fill a buffer as far as the stream goes; return how many bytes came."""
    if not hasattr(stream, "readinto"):
        block = stream.read(len(view))
        view[: len(block)] = block
        return len(block)
    done = 0
    while done < len(view) and (count := stream.readinto(view[done:])):
        done += count
    return done


def _has_neither(buffer: bytearray, count: int) -> bool:
    """Tell that a block holds neither a quote nor a carriage return."""
    stop = _CHARACTER_BYTES + count
    return (
        buffer.find(b'"', _CHARACTER_BYTES, stop) < 0
        and buffer.find(b"\r", _CHARACTER_BYTES, stop) < 0
    )


class _Utf8Check:
    """Finds the first byte that is not UTF-8, block by block.

    A block stands in its buffer behind room for the beginning of a character that the
    block before it ended with.
    """

    def __init__(self) -> None:
        self.bad_byte: int | None = None
        self._done = 0
        self._rest = b""

    def feed(self, buffer: bytearray, count: int) -> None:
        """Look at the next `count` bytes, which begin at `_CHARACTER_BYTES`."""
        start = _CHARACTER_BYTES - len(self._rest)
        buffer[start:_CHARACTER_BYTES] = self._rest
        stop = _CHARACTER_BYTES + count
        tail = bytes(buffer[max(start, stop - _CHARACTER_BYTES) : stop])
        whole = stop - len(tail) + _whole_length(tail)
        if not _is_utf8(memoryview(buffer)[start:whole]):
            self.bad_byte = self._done + _bad_offset(bytes(buffer[start:stop]))
            return
        self._rest = bytes(buffer[whole:stop])
        self._done += whole - start

    def end(self) -> None:
        """A character that the last block began is not whole."""
        if self._rest and self.bad_byte is None:
            self.bad_byte = self._done + _bad_offset(self._rest)


def _whole_length(block: bytes) -> int:
    """Return how many bytes end with a whole character, as far as one can see."""
    for back in range(1, min(_CHARACTER_BYTES, len(block)) + 1):
        byte = block[-back]
        if byte < 0x80:
            return len(block)
        if byte >= 0xC0:
            length = 2 if byte < 0xE0 else 3 if byte < 0xF0 else 4
            return len(block) - back if length > back else len(block)
    return len(block)


def _is_utf8(block: memoryview) -> bool:
    offsets = pa.py_buffer(len(block).to_bytes(8, "little").rjust(16, b"\x00"))
    cell = pa.LargeBinaryArray.from_buffers(
        pa.large_binary(), 1, [None, offsets, pa.py_buffer(block)]
    )
    try:
        cell.cast(pa.large_string())
    except pa.ArrowInvalid:
        return False
    return True


def _bad_offset(block: bytes) -> int:
    try:
        block.decode("utf-8")
    except UnicodeDecodeError as error:
        return error.start
    return len(block)


__all__ = ["HEAD_BYTES", "ByteFacts", "fill", "look_at"]
