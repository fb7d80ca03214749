"""Files as PyIceberg wants them: objects of the store to read, memory to write.

`s3://lake/…/data/<digest>.parquet` stands for an object; the path is virtual, nothing
is copied. Only the end of a Parquet file is read, for its statistics.
"""

import io
from collections.abc import Mapping
from types import TracebackType

from pyiceberg.io import FileIO, InputFile, InputStream, OutputFile, OutputStream

from shahrdad.federation.verify.digest import Digest
from shahrdad.node.store.contract import Area, ObjectStore

TAIL_BYTES = 64 * 1024  # a footer of ours fits; a longer one costs another request


class ObjectFile(io.RawIOBase):
    """An object that can be read at any place; its end is kept in memory."""

    def __init__(self, store: ObjectStore, digest: Digest, size: int) -> None:
        self._store, self._digest, self._size = store, digest, size
        self._at = 0
        self._tail_at = max(0, size - TAIL_BYTES)
        self._tail = self._fetch(self._tail_at, size - self._tail_at)

    def readable(self) -> bool:
        """Return that it can be read."""
        return True

    def seekable(self) -> bool:
        """Return that any place can be read."""
        return True

    def tell(self) -> int:
        """Return the place."""
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go to a place."""
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        self._at = min(max(0, start + offset), self._size)
        return self._at

    def read(self, size: int = -1) -> bytes:
        """Read from the place on."""
        end = self._size if size < 0 else min(self._at + size, self._size)
        if self._at >= self._tail_at:
            data = self._tail[self._at - self._tail_at : end - self._tail_at]
        else:
            data = self._fetch(self._at, end - self._at)
        self._at = end
        return data

    def _fetch(self, offset: int, length: int) -> bytes:
        if length <= 0:
            return b""
        with self._store.open(Area.OBJECT, self._digest, offset, length) as file:
            return file.read()


class _Input(InputFile):
    """An object, as PyIceberg opens it."""

    def __init__(
        self, location: str, store: ObjectStore, digest: Digest, size: int
    ) -> None:
        super().__init__(location)
        self._object = store, digest, size

    def __len__(self) -> int:
        """Return its size."""
        return self._object[2]

    def exists(self) -> bool:
        """Return that it is there: a record names it."""
        return True

    def open(self, seekable: bool = True) -> InputStream:
        """Open it."""
        return ObjectFile(*self._object)


class _Memory(io.BytesIO):
    """A file being written, handed over when it is closed."""

    def __init__(self, files: dict[str, bytes], location: str) -> None:
        super().__init__()
        self._files, self._location = files, location

    def __enter__(self) -> "_Memory":
        return self

    def __exit__(
        self,
        exctype: type[BaseException] | None,
        excinst: BaseException | None,
        exctb: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Hand the bytes over."""
        if not self.closed:
            self._files[self._location] = self.getvalue()
        super().close()


class _Output(OutputFile):
    """A file in memory."""

    def __init__(self, files: dict[str, bytes], location: str) -> None:
        super().__init__(location)
        self._files = files

    def __len__(self) -> int:
        """Return its size."""
        return len(self._files[self.location])

    def exists(self) -> bool:
        """Return whether it was written."""
        return self.location in self._files

    def to_input_file(self) -> InputFile:
        """Refuse: what is made here is not read back here."""
        raise OSError(self.location)

    def create(self, overwrite: bool = False) -> OutputStream:
        """Begin to write it."""
        return _Memory(self._files, self.location)


class LakeFiles(FileIO):
    """Objects of the store to read, memory to write.

    Args:
        store: Where the objects lie.
        objects: Digest and size of each location that may be read.
    """

    def __init__(
        self, store: ObjectStore, objects: Mapping[str, tuple[Digest, int]]
    ) -> None:
        super().__init__({})
        self._store, self._objects = store, objects
        self.written: dict[str, bytes] = {}

    def new_input(self, location: str) -> InputFile:
        """Return an object."""
        return _Input(location, self._store, *self._objects[location])

    def new_output(self, location: str) -> OutputFile:
        """Return a file in memory."""
        return _Output(self.written, location)

    def delete(self, location: str | InputFile | OutputFile) -> None:
        """Refuse: nothing of the lake is ever deleted from here.

        Raises:
            PermissionError: always.
        """
        raise PermissionError(str(location))
