"""Whether and where a file can be judged in ranges, on several cores or computers.

Only delimited text is cut, and only where each row can be judged without those before
it: a mapping that fills empty cells from the row above, or makes a hierarchy, needs one
pass. What is not cut is judged whole; the result is the same either way.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from shahrdad.datasets.errors import DataError
from shahrdad.validators import api, decode
from shahrdad.validators.byte_facts import ByteFacts
from shahrdad.validators.decode import Decision
from shahrdad.validators.importing import open_table
from shahrdad.validators.opening import schema_faults
from shahrdad.validators.options import Options
from shahrdad.validators.profile import Profile
from shahrdad.validators.ranges.windows import RANGE_BYTES, Range, cut
from shahrdad.validators.source import Source
from shahrdad.validators.text_table import EncodingFacts, TextTable

_BOM_BYTES = 3  # of UTF-8


@dataclass(frozen=True, slots=True)
class RangePlan:
    """How a file is judged in ranges.

    Attributes:
        facts: What its bytes are.
        ranges: Of its text in UTF-8; offsets are those of the file itself, unless
            `decoded`.
        decoded: Whether the text must be decoded to UTF-8 first; see `open_text`.
        encoding: Name of its encoding.
        seed: Of the hashes of keys. It follows from all bytes of the file, so that a
            run that begins anew finds the same, and no file can be made to fit it.
    """

    facts: ByteFacts
    ranges: tuple[Range, ...]
    decoded: bool
    encoding: str
    seed: int


def plan_ranges(
    file: Path,
    *,
    schema: api.Schema,
    profile: Mapping[str, Any] | None,
    options: Options,
    range_bytes: int = RANGE_BYTES,
) -> RangePlan | None:
    """Look where a file can be cut.

    Args:
        file: The file.
        schema: As `api.validate`.
        profile: As `api.validate`.
        options: As `api.validate`.
        range_bytes: About so many for a range.

    Returns:
        The ranges, at least two; None when the file is to be judged in one pass.
    """
    resolved = api.resolve(schema)
    if options.mode != "strict" or schema_faults(resolved.plan):
        return None
    found_profile = api.load_profile(profile, options)
    source = Source.of(file)
    if source.size < 2 * range_bytes:
        return None
    try:
        table = open_table(
            source,
            standard=resolved.standard,
            descriptor=resolved.plan.descriptor,
            profile=found_profile,
            options=options,
        )
    except DataError:
        return None  # one pass reports it
    if not _can_be_cut(table, Profile.of(found_profile)):
        return None
    decoded = table.source.encoding.name != "utf-8" if table.source.encoding else True
    encoding = table.source.encoding.name if table.source.encoding else "utf-8"
    blocks = max(1, range_bytes // options.block_bytes)
    delimiter = table.source.dialect.delimiter if table.source.dialect else ","
    with open_text(file, encoding) as stream:
        ranges = cut(
            stream,
            delimiter,
            len(table.labels),
            table.source.header_rows[-1],
            options.block_bytes,
            blocks,
        )
    if ranges is None or len(ranges) < 2:
        return None
    if not decoded and source.head.startswith(b"\xef\xbb\xbf"):
        ranges = [_moved(one, _BOM_BYTES) for one in ranges]
    seed = hashlib.sha256(f"keys {source.sha256}".encode()).digest()
    return RangePlan(
        source.facts,
        tuple(ranges),
        decoded,
        encoding,
        int.from_bytes(seed[:8], "big") >> 1,
    )


def open_text(file: Path, encoding: str) -> BinaryIO:
    """Open a file as UTF-8 without a byte order mark."""
    with file.open("rb") as stream:
        head = stream.read(_BOM_BYTES)
    bom = next((len(mark) for mark in _MARKS if head.startswith(mark)), 0)
    facts = EncodingFacts(encoding, "declared")
    return decode.open_utf8(lambda: file.open("rb"), Decision(facts, bom))


_MARKS = (b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")


def _can_be_cut(table: TextTable, profile: Profile) -> bool:
    """Tell whether rows are read one by one, from a text without a fault."""
    source = table.source
    dialect, encoding = source.dialect, source.encoding
    if source.container is not None or dialect is None or encoding is None:
        return False
    if any(found.code == "source-decode" for found in table.findings):
        return False
    chained = any(rule.fill_down or rule.path for rule in profile.columns)
    return dialect.arrow and dialect.quote == '"' and not chained


def _moved(one: Range, count: int) -> Range:
    return Range(one.start + count, one.end + count, one.rows_before, one.first_block)


__all__ = ["RangePlan", "open_text", "plan_ranges"]
