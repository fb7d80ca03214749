"""Offline bundles: logs in one ZIP, for cities that no network joins (federation 13).

A bundle is the static mirror's tree (federation 4.7) in a ZIP, so that its import is
the ordinary verifier with another reader. It holds what the other side lacks: entries
from a size on, their bodies, the hash tiles that proofs from there need, and the
checkpoint with its cosignatures. The way back carries cosignatures of its own.

    export_bundle(store, {origin: since}, path)     writes one part, or several
    open_bundle(paths)                              reads them, as a peer
    heads_of(path)                                  what another node holds

A part is at most 4 GB less one byte, for sticks with FAT32; each can be imported alone
where its entries begin at or below what is held. A part is written beside and renamed.
"""

import os
import shutil
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from shahrdad.datasets.errors import PeerError, Reason, RequestError, UnavailableError
from shahrdad.federation.limits import (
    HEADS_FILE_BYTES_MAX,
    PART_BYTES_MAX,
    ZIP_FILES_MAX,
)
from shahrdad.federation.log.reading import LogReading
from shahrdad.federation.log.schema import LogState
from shahrdad.federation.mirror_files import MirrorFiles, ZipFiles, check_directory
from shahrdad.federation.objects import BLOCK_BYTES, named_objects
from shahrdad.federation.reader import BodyMode, LogChunk, LogStart
from shahrdad.federation.static_mirror import parse_heads
from shahrdad.federation.static_reader import StaticReader
from shahrdad.federation.verify.digest import Digest
from shahrdad.federation.verify.entry import applied
from shahrdad.federation.verify.tile import (
    MirrorPath,
    encode_bundle,
    proof_tiles,
)
from shahrdad.federation.verify.tree import HASH_BYTES, TILE_WIDTH

MEMBER_BYTES = 256  # of the ZIP's own, for each file: two headers with the name
DATE = (1980, 1, 1, 0, 0, 0)  # the same logs give the same bytes

OpenObject = Callable[[Digest], "tuple[BinaryIO, int] | None"]


@dataclass(slots=True)
class BundleReport:
    """What an export wrote."""

    parts: list[Path] = field(default_factory=list)
    origins: list[str] = field(default_factory=list)
    entries: int = 0
    bodies: int = 0
    objects: int = 0
    object_bytes: int = 0
    objects_missing: int = 0  # named, and not held here or too large for a part


def export_bundle(
    logs: LogReading,
    since: Mapping[str, int],
    target: Path,
    *,
    open_object: OpenObject | None = None,
    part_bytes_max: int = PART_BYTES_MAX,
) -> BundleReport:
    """Write logs into a bundle.

    Args:
        logs: Where they are held.
        since: Origin → size that the other side holds; 0 for all.
        target: The first part; further ones get `.2`, `.3` before the ending.
        open_object: Opens a data object, with its size; None = bodies alone.
        part_bytes_max: Bytes after which the next part begins.

    Raises:
        RequestError: ORIGIN_UNKNOWN: a log that is not held, or has no head.
    """
    writing = _Writing(logs, target, part_bytes_max, open_object)
    held = []
    for origin in sorted(since):
        log = logs.log(origin)
        if log.checkpoint is None:
            raise RequestError(Reason.ORIGIN_UNKNOWN, origin=origin)
        held.append(log)
    try:
        for log in held:
            writing.log(log, min(since[log.origin], log.head_size))
        writing.finish()
    finally:
        writing.abandon()
    return writing.report


def heads_of(path: Path) -> dict[str, int]:
    """Return what another node holds, from a bundle of its or a `heads` file.

    Raises:
        RequestError: FILE_NOT_FOUND.
        PeerError: MALFORMED, TOO_LARGE.
    """
    if not path.is_file():
        raise RequestError(Reason.FILE_NOT_FOUND, path=str(path))
    with path.open("rb") as file:
        content = file.read(HEADS_FILE_BYTES_MAX + 1)
    if content.startswith(b"PK"):
        files = ZipFiles(path)
        try:
            content = files.read(MirrorPath.heads(), HEADS_FILE_BYTES_MAX) or b""
        finally:
            files.close()
    if len(content) > HEADS_FILE_BYTES_MAX:
        raise PeerError(
            Reason.TOO_LARGE,
            size_bytes=len(content),
            size_bytes_max=HEADS_FILE_BYTES_MAX,
        )
    return dict(parse_heads(content))


def heads_text(logs: LogReading) -> str:
    """Return what this node holds, for the other side's export."""
    lines = [f"{log.origin} {log.head_size}\n" for log in logs.logs() if log.head_size]
    return "".join(sorted(lines))


class BundleReader(StaticReader):
    """A bundle, as a peer: where a part ends, that log's stream ends, no other's."""

    def read_log(
        self, origin: str, from_size: int, body_mode: BodyMode = BodyMode.LIVE
    ) -> Iterator[LogStart | LogChunk]:
        """Yield one start, then the chunks as far as the parts at hand go.

        Raises:
            RequestError: ORIGIN_UNKNOWN, SIZE_AHEAD; SHORT_STREAM: the next part is
                not at hand, or the bundle begins above what is held.
            PeerError: TOO_LARGE or MALFORMED.
        """
        size, end = from_size, from_size
        try:
            for part in super().read_log(origin, from_size, body_mode):
                yield part
                if isinstance(part, LogStart):
                    end = part.head.size
                else:
                    size = part.start_index + len(part.entries)
        except UnavailableError as error:
            raise RequestError(
                Reason.SHORT_STREAM, origin=origin, size=size, size_expected=end
            ) from error


def open_bundle(paths: Sequence[Path]) -> BundleReader:
    """Open the parts of a bundle that are at hand, as one peer.

    Raises:
        RequestError: FILE_NOT_FOUND.
        PeerError: MALFORMED or TOO_LARGE: no ZIP that can be read.
    """
    parts: list[ZipFiles] = []
    try:
        for path in paths:
            if not path.is_file():
                raise RequestError(Reason.FILE_NOT_FOUND, path=str(path))
            parts.append(ZipFiles(path))
    except BaseException:
        for part in parts:
            part.close()
        raise
    return BundleReader(_Parts(parts), "bundle")


class BundleObjects:
    """The data objects in the parts of a bundle; an `ObjectSource`.

    Args:
        paths: The parts.

    Raises:
        PeerError: MALFORMED or TOO_LARGE.
    """

    def __init__(self, paths: Sequence[Path]) -> None:
        self._zips: list[zipfile.ZipFile] = []
        for path in paths:
            check_directory(path)
            try:
                self._zips.append(zipfile.ZipFile(path))
            except (zipfile.BadZipFile, OSError, ValueError) as error:
                raise _no_zip(str(error)) from error

    @property
    def name(self) -> str:
        """The peer's name."""
        return "bundle"

    def read(self, digest: Digest, offset: int) -> tuple[int, Iterator[bytes]]:
        """Return the bytes from the start: a ZIP is not read from the middle.

        Raises:
            RequestError: OBJECT_UNKNOWN.
        """
        del offset
        name = str(MirrorPath.object(digest))
        for part in self._zips:
            try:
                member = part.getinfo(name)
            except KeyError:
                continue
            return 0, self._blocks(part, member)
        raise RequestError(Reason.OBJECT_UNKNOWN, digest=digest.hex, area="bundle")

    def close(self) -> None:
        """Close the parts."""
        for part in self._zips:
            part.close()

    def _blocks(
        self, part: zipfile.ZipFile, member: zipfile.ZipInfo
    ) -> Iterator[bytes]:
        """Yield a member's bytes; who takes them stops at the length it knows."""
        if member.compress_type != zipfile.ZIP_STORED:
            raise _no_zip("an object is not stored as it is")
        try:
            with part.open(member) as file:
                while block := file.read(BLOCK_BYTES):
                    yield block
        except (zipfile.BadZipFile, OSError, EOFError, RuntimeError) as error:
            raise _no_zip(str(error)) from error


class _Parts:
    """The files of several parts; a `MirrorFiles`."""

    def __init__(self, parts: Sequence[MirrorFiles]) -> None:
        self._parts = parts

    def read(self, path: MirrorPath, limit: int) -> bytes | None:
        """Return a file of the first part that has it; of `heads` all lines."""
        found = [part.read(path, limit) for part in self._parts]
        held = [content for content in found if content is not None]
        if not held or path != MirrorPath.heads():
            return held[0] if held else None
        return b"".join(dict.fromkeys(held))

    def close(self) -> None:
        """Close the parts."""
        for part in self._parts:
            part.close()


class _Writing:
    """An export on its way: the part that is open, and what is in it."""

    def __init__(
        self,
        logs: LogReading,
        target: Path,
        part_bytes_max: int,
        open_object: OpenObject | None,
    ) -> None:
        self.report = BundleReport()
        self._logs = logs
        self._target = target
        self._bytes_max = part_bytes_max
        self._open_object = open_object
        self._zip: zipfile.ZipFile | None = None
        self._names: set[str] = set()
        self._bytes = 0
        self._started: dict[str, int] = {}  # origin → size this part begins at

    def log(self, log: LogState, since: int) -> None:
        """Write a log from a size on."""
        self.report.origins.append(log.origin)
        self._begin(log, since)
        start = since - since % TILE_WIDTH if since < log.head_size else since
        while start < log.head_size:
            end = min(log.head_size, start + TILE_WIDTH)
            files, objects = self._files(log.origin, start, end, since)
            size = sum(MEMBER_BYTES + len(content) for content in files.values())
            size += sum(MEMBER_BYTES + item for item in objects.values())
            full = self._bytes + size > self._bytes_max
            if (full or len(self._names) + len(files) > ZIP_FILES_MAX // 2) and (
                start > self._started[log.origin] or len(self._started) > 1
            ):
                self.finish()
                self._begin(log, max(start, since))
            for path, content in files.items():
                self._write(path, content)
            for digest, length in objects.items():
                self._write_object(digest, length)
            self.report.entries += end - max(start, since)
            start = end

    def finish(self) -> None:
        """Close the part, with the tiles and checkpoints of its logs."""
        if self._zip is None:
            return
        heads = ""
        for origin, start in sorted(self._started.items()):
            log = self._logs.log(origin)
            # Where nothing is to be read, nothing is to be proven either.
            spans = proof_tiles(log.head_size, start) if start < log.head_size else ()
            for span in spans:
                hashes = self._logs.tile(origin, span.level, span.number)
                tile = MirrorPath.tile(origin, span.level, span.number, span.width)
                self._write(tile, hashes[: span.width * HASH_BYTES])
            self._write(MirrorPath.checkpoint(origin), log.checkpoint or b"")
            if log.evidence is not None:
                self._write(MirrorPath.evidence(origin), log.evidence)
            heads += f"{origin} {log.head_size}\n"
        self._write(MirrorPath.heads(), heads.encode("ascii"))
        self._zip.close()
        self._zip = None
        path = self._path()
        with self._beside(path).open("rb+") as file:
            os.fsync(file.fileno())
        self._beside(path).replace(path)
        self.report.parts.append(path)

    def abandon(self) -> None:
        """Take away a part that was not finished."""
        if self._zip is not None:
            with suppress(OSError):  # on a full stick its directory finds no room
                self._zip.close()
            self._zip = None
        self._beside(self._path()).unlink(missing_ok=True)

    def _begin(self, log: LogState, start: int) -> None:
        """Put a log into the open part, or open one."""
        if self._zip is None:
            beside = self._beside(self._path())
            self._zip = zipfile.ZipFile(beside, "w", allowZip64=True)
            self._names, self._bytes, self._started = set(), 0, {}
        self._started[log.origin] = start
        tiles = (log.head_size - start + 2 * TILE_WIDTH) * HASH_BYTES * 257 // 256
        self._bytes += tiles + MEMBER_BYTES * (tiles // 8_192 + 8)

    def _path(self) -> Path:
        """Return the name of the part that is written now."""
        number = len(self.report.parts) + 1
        if number == 1:
            return self._target
        return self._target.with_suffix(f".{number}{self._target.suffix}")

    def _beside(self, path: Path) -> Path:
        return path.with_name(f".{path.name}.partly")

    def _files(
        self, origin: str, start: int, end: int, since: int
    ) -> tuple[dict[MirrorPath, bytes], dict[Digest, int]]:
        """Return an entry bundle with its bodies, and the objects that these name."""
        raws = self._logs.entries(origin, start, end)
        path = MirrorPath.entries(origin, start // TILE_WIDTH, end - start)
        files = {path: encode_bundle(raws)}
        named = [
            entry.sha256
            for entry in applied(raws, start, origin)
            if entry.op == "put" and entry.sha256 is not None and entry.index >= since
        ]
        objects: dict[Digest, int] = {}
        for digest, body in self._logs.bodies(list(dict.fromkeys(named))).items():
            files[MirrorPath.body(digest)] = body
            self.report.bodies += 1
            for item in named_objects(body).objects if self._open_object else ():
                objects[item.digest] = item.size
        return files, objects

    def _write(self, path: MirrorPath, content: bytes) -> None:
        """Write one file, once a part; hashes do not get smaller by deflating."""
        name = str(path)
        if self._zip is None or name in self._names:
            return
        self._names.add(name)
        info = zipfile.ZipInfo(name, DATE)
        tile = "/tile/" in name and "/entries/" not in name
        info.compress_type = zipfile.ZIP_STORED if tile else zipfile.ZIP_DEFLATED
        self._zip.writestr(info, content)
        self._bytes += MEMBER_BYTES + info.compress_size

    def _write_object(self, digest: Digest, size: int) -> None:
        """Write a data object as it is; its digest is checked where it is imported."""
        name = str(MirrorPath.object(digest))
        if self._zip is None or self._open_object is None or name in self._names:
            return
        found = self._open_object(digest) if size < self._bytes_max else None
        if found is None:
            self.report.objects_missing += 1
            return
        source, length = found
        self._names.add(name)
        info = zipfile.ZipInfo(name, DATE)
        info.file_size = length
        with source, self._zip.open(info, "w", force_zip64=True) as out:
            shutil.copyfileobj(source, out, BLOCK_BYTES)
        self._bytes += MEMBER_BYTES + length
        self.report.objects += 1
        self.report.object_bytes += length


def _no_zip(detail: str) -> PeerError:
    return PeerError(Reason.MALFORMED, field="ZIP", detail=detail)
