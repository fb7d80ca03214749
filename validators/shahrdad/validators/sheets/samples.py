"""Single cells of an XLSX, put into a workbook of their own and given to a reader.

What a number means may depend on its style, on the workbook's calendar and on the
reader. So the styles and the workbook's own words are copied beside a small sheet of
the distinct cells, and the reader answers as it would have in the whole sheet.
"""

import io
import re
import zipfile
from collections.abc import Callable, Iterable, Sequence
from typing import Any, BinaryIO, Final

from shahrdad.validators.sheets.cells import NotPlainError
from shahrdad.validators.sheets.scan import SHARED_STRINGS

_PARTS: Final = (
    "[Content_Types].xml",
    "_rels/.rels",
    "xl/workbook.xml",
    "xl/_rels/workbook.xml.rels",
    "xl/styles.xml",
)
_PART_BYTES_MAX: Final = 64 << 20
_NUMBER: Final = re.compile(r"-?[0-9]*\.?[0-9]+(?:[eE][+-]?[0-9]{1,3})?")
_MAIN: Final = b"http://schemas.openxmlformats.org/spreadsheetml/2006/main"

Numbered = tuple[int, str]  # a style and the text of a number
Reader = Callable[[BinaryIO, str], Iterable[Any]]


class Samples:
    """Asks a reader about numbers.

    Args:
        archive: The workbook.
        name: Name of the sheet.
        part: Its part.
        reader: Gives the first cell of each row of a sheet.
    """

    def __init__(
        self, archive: zipfile.ZipFile, name: str, part: str, reader: Reader
    ) -> None:
        self._name, self._part, self._reader = name, part, reader
        self._parts: dict[str, bytes] = {}
        names = frozenset(archive.namelist())
        for one in _PARTS:
            if one in names:
                with archive.open(one) as member:
                    self._parts[one] = member.read(_PART_BYTES_MAX)
        if SHARED_STRINGS in names:  # openpyxl looks for what the contents name
            self._parts[SHARED_STRINGS] = b'<sst xmlns="%s"/>' % _MAIN
        self._known: dict[Numbered, Any] = {}

    def values(self, cells: Sequence[Numbered]) -> list[Any]:
        """Return the value of each cell; every distinct one is asked about once.

        Raises:
            NotPlainError: A text is no number, or the reader gives no answer.
        """
        asked = [cell for cell in dict.fromkeys(cells) if cell not in self._known]
        if asked:
            self._known.update(zip(asked, self._ask(asked), strict=True))
        return [self._known[cell] for cell in cells]

    def _ask(self, cells: Sequence[Numbered]) -> list[Any]:
        if not all(_NUMBER.fullmatch(text) for _, text in cells):
            raise NotPlainError("a number that is none")
        rows = "".join(
            f'<row r="{n}"><c r="A{n}" s="{style}"><v>{text}</v></c></row>'
            for n, (style, text) in enumerate(cells, start=1)
        ).encode()
        sheet = b'<worksheet xmlns="%s"><sheetData>%s</sheetData></worksheet>'
        out = io.BytesIO()
        with zipfile.ZipFile(out, "w") as small:
            for name, content in self._parts.items():
                small.writestr(name, content)
            small.writestr(self._part, sheet % (_MAIN, rows))
        out.seek(0)
        try:
            found = list(self._reader(out, self._name))
        except Exception as error:
            raise NotPlainError("a reader refuses a number") from error
        if len(found) != len(cells):
            raise NotPlainError("a reader leaves out a number")
        return found


__all__ = ["Numbered", "Samples"]
