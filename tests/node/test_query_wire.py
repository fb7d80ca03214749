"""Frames between a query and the process that answers it, over real pipes."""

import os
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import IO

import pytest

from shahrdad.node.table.query_wire import FRAME_BYTES_MAX, read_frame, write_frame

Pipe = tuple[IO[bytes], IO[bytes]]


@pytest.fixture
def pipe() -> Iterator[Pipe]:
    """Return the two ends of a pipe."""
    reader, writer = os.pipe()
    with os.fdopen(reader, "rb", buffering=0) as source, os.fdopen(writer, "wb") as end:
        yield source, end


def test_frames_come_as_they_were_sent(pipe: Pipe) -> None:
    """Empty ones too; then the other side has gone."""
    source, end = pipe
    for data in (b"one", b"", b"three"):
        write_frame(end, data)
    end.close()

    assert [b"one", b"", b"three", None] == [read_frame(source) for _ in range(4)]


def test_half_a_frame_is_not_waited_for(pipe: Pipe) -> None:
    """Neither its length nor its content, beyond the moment that was named."""
    source, end = pipe
    for half in (b"\0\0", b"\0\5ab"):
        end.write(half)
        end.flush()
        with pytest.raises(TimeoutError):
            read_frame(source, time.monotonic())


@pytest.mark.parametrize(
    ("length", "said"), [(3, b"abc"), (FRAME_BYTES_MAX + 1, None), (2**32 - 1, None)]
)
def test_a_length_that_makes_no_sense_is_not_read(
    length: int, said: bytes | None, pipe: Pipe
) -> None:
    """A text among the frames would be taken for hundreds of megabytes."""
    source, end = pipe
    end.write(struct.pack(">I", length) + b"abc")
    end.flush()

    assert said == read_frame(source, time.monotonic() + 5)


def test_what_is_printed_is_no_answer() -> None:
    """A log line of the process goes to its standard error."""
    talkative = (
        "import io, sys\n"
        "from shahrdad.node.table import query_process\n"
        "query_process.store_from_json = lambda _: print('opened', flush=True)\n"
        "query_process.serve = lambda store, asked, target: "
        "query_process.write_frame(target, b'!')\n"
        "query_process.main()\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", talkative],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdin is not None
    write_frame(process.stdin, b"{}")
    write_frame(process.stdin, b"{}")
    answered, said = process.communicate(timeout=60)

    assert struct.pack(">I", 1) + b"!" == answered
    assert b"opened" in said
