"""Invented workbooks: every kind of cell, as spreadsheets write them, or nearly.

A mixture of the grammar that Excel, LibreOffice, openpyxl and XlsxWriter write, of what
they write seldom, and of what a reader has to be careful with.
"""

import random
from dataclasses import dataclass
from xml.sax.saxutils import quoteattr

from workbook_files import zip_of

MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
PACKAGE = "http://schemas.openxmlformats.org/package/2006/relationships"
CONTENT = "http://schemas.openxmlformats.org/package/2006/content-types"
PREFIX = "application/vnd.openxmlformats-officedocument.spreadsheetml"
FORMATS = (  # number formats by style, from 1: built-in numbers, or codes
    9, 10, 14, 20, 22, 46, 2, "yyyy\\-mm\\-dd", "0.00%", "[h]:mm", '#,##0 "day"',
    "[$-160000]yyyy/mm/dd", "mm:ss.0", "General", "@",
)  # fmt: skip
NUMBERS = (
    *("0", "1", "7", "38", "-5", "60", "61", "12.5", "94.12", "0.1", "0.5", "-0.25"),
    *("45000", "45000.5", "45000.123456", "2958465", "2958466", "-1", "1E3", "1e-7"),
    *("2866886603739", "123456789012345", "1234567890123456", "12345678901234567890"),
    *("94.120000000000005", "0.30000000000000004", "1.0", "10.10", "100.00", "1E+20"),
    *("-0", "-0.0", "007", "1.5E-5", "0.00001", "43831.99999", "2.5E2", "59", "366"),
    *("0.000000011574074", "44197.041666666664", "1.7976931348623157E+308"),
)
ODD_NUMBERS = (
    "",
    "abc",
    " 5",
    "5 ",
    "+5",
    "1_0",
    "NaN",
    "INF",
    "1,5",
    "0x1F",
    ".5",
    "5.",
)
TEXTS = (
    *("", "a", "شهر", "1346", "۱۲۳", "true", "2020-01-05", "10000000006", "12.5", "-"),
    *(" lead", "trail ", "two\nlines", "a &amp; b", "&lt;tag&gt;", "&quot;q&quot;"),
    *("&#1705;", "&#x6A9;", "&#10;", "a > b", "=1+1", "#REF!", "nan", "None", "0"),
)
ODD_TEXTS = ("a &unknown; b", "a & b", "_x000D_", "a\rb", "x_x0041_", "&#13;", "\t")
ERRORS = ("#DIV/0!", "#N/A", "#REF!", "#NAME?", "#VALUE!")
RICH = (
    '<r><t>one</t></r><r><rPr><b/><sz val="11"/></rPr><t> two</t></r>',
    '<r><rPr><rFont val="B Nazanin"/></rPr><t xml:space="preserve">three </t></r>',
    '<t>base</t><phoneticPr fontId="1"/>',
)


@dataclass(frozen=True, slots=True)
class Taste:
    """How a workbook is invented.

    Attributes:
        odd: Share of cells that are written in an unusual way.
        dated: Whether cells have styles of dates and percentages.
        width: The most columns.
        height: The most rows.
    """

    odd: float = 0.0
    dated: bool = True
    width: int = 6
    height: int = 12


def letters(column: int) -> str:
    """Return the letters of a column from 1, up to 702."""
    first, second = divmod(column - 1, 26)
    return (chr(64 + first) if first else "") + chr(65 + second)


class Inventor:
    """Invents the parts of one workbook."""

    def __init__(self, rng: random.Random, taste: Taste) -> None:
        self._rng, self._taste = rng, taste
        self._shared: list[str] = []
        self._header: list[str] = []

    def workbook(self) -> bytes:
        """Return the bytes of a workbook with one sheet `s`."""
        rng = self._rng
        rows, extent = self._rows()
        dimension = rng.choice(("", extent, extent, extent, self._wrong_extent()))
        before = f'<dimension ref="{dimension}"/>' if dimension else ""
        before += rng.choice(
            ("", "<sheetViews/>", '<cols><col min="2" max="2" hidden="1"/></cols>')
        )
        sheet = (
            f'<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\r\n<worksheet '
            f'xmlns="{MAIN}">{before}<sheetData>{rows}</sheetData>'
            f"{rng.choice(('', self._merged()))}</worksheet>"
        )
        shared = "".join(
            f"<si>{text}</si>" if text.startswith("<") else f"<si><t>{text}</t></si>"
            for text in self._shared
        )
        day_one = (
            rng.choice(("", '<workbookPr date1904="1"/>')) if rng.random() < 0.2 else ""
        )
        return workbook_of(sheet, shared, day_one)

    def _wrong_extent(self) -> str:
        return self._rng.choice(("A1", "B2:D9", "A1:C3", "A1:AB40", "A1:B1048576"))

    def _merged(self) -> str:
        area = self._rng.choice(("A1:B1", "A2:A4", "B3:C4"))
        return f'<mergeCells count="1"><mergeCell ref="{area}"/></mergeCells>'

    def _rows(self) -> tuple[str, str]:
        rng, taste = self._rng, self._taste
        width = rng.randint(1, taste.width)
        self._header = [f"f{n}" for n in range(1, width + 1)]
        kinds = [
            rng.choice(("mixed", "number", "text", "empty", "same"))
            for _ in self._header
        ]
        written, number = [], 1
        for at in range(rng.randint(1, taste.height)):
            cells = []
            for column in range(1, width + 1):
                if at == 0:
                    cells.append(
                        self._text_cell(
                            f"A{column}",
                            f"{letters(column)}{number}",
                            self._header[column - 1],
                        )
                    )
                elif rng.random() < 0.85:
                    cells.append(
                        self._cell(f"{letters(column)}{number}", kinds[column - 1])
                    )
            attributes = rng.choice(
                ("", "", f' spans="1:{width}"', ' ht="15" hidden="1"')
            )
            if cells or rng.random() < 0.5:
                written.append(f'<row r="{number}"{attributes}>{"".join(cells)}</row>')
            elif rng.random() < 0.5:
                written.append(f'<row r="{number}"{attributes}/>')
            number += rng.choice((1, 1, 1, 1, 1, 2, 3))
        gap = rng.choice(("", "", "", "\n"))
        return gap.join(written), f"A1:{letters(width)}{max(1, number - 1)}"

    def _cell(self, address: str, kind: str) -> str:
        rng = self._rng
        if rng.random() < self._taste.odd:
            return self._odd_cell(address)
        if kind == "mixed" or rng.random() < 0.05:
            kind = rng.choice(
                ("number", "text", "empty", "boolean", "error", "formula")
            )
        style = self._style()
        if kind == "number":
            said = rng.choice(("", "", ' t="n"'))
            return f'<c r="{address}"{style}{said}><v>{rng.choice(NUMBERS)}</v></c>'
        if kind == "same":
            return f'<c r="{address}"><v>{rng.choice(("7", "7", "8.0", "007"))}</v></c>'
        if kind == "text":
            return self._text_cell(style, address, rng.choice(TEXTS))
        if kind == "boolean":
            return f'<c r="{address}"{style} t="b"><v>{rng.choice("01")}</v></c>'
        if kind == "error":
            return f'<c r="{address}"{style} t="e"><v>{rng.choice(ERRORS)}</v></c>'
        if kind == "formula":
            return self._formula_cell(address, style)
        return rng.choice(
            (f'<c r="{address}"{style}/>', f'<c r="{address}"{style}></c>')
        )

    def _style(self) -> str:
        rng = self._rng
        if not self._taste.dated or rng.random() < 0.5:
            return rng.choice(("", "", ' s="0"'))
        return f' s="{rng.randint(1, len(FORMATS))}"'

    def _text_cell(self, style: str, address: str, text: str) -> str:
        rng = self._rng
        style = style if style.startswith(" ") else ""
        space = ' xml:space="preserve"' if text != text.strip() else ""
        form = rng.choice(("inline", "shared", "shared", "formula"))
        if form == "inline":
            inline = f"<is><t{space}>{text}</t></is>"
            return f'<c r="{address}"{style} t="inlineStr">{inline}</c>'
        if form == "formula" and text:
            return f'<c r="{address}"{style} t="str"><f>B1</f><v>{text}</v></c>'
        item = rng.choice(RICH) if rng.random() < 0.05 else f"<t{space}>{text}</t>"
        if not text and rng.random() < 0.5:
            item = "<t/>"
        self._shared.append(item)
        return f'<c r="{address}"{style} t="s"><v>{len(self._shared) - 1}</v></c>'

    def _formula_cell(self, address: str, style: str) -> str:
        rng = self._rng
        formula = rng.choice(
            (
                "<f>A1+1</f>",
                '<f t="shared" ref="A1:A9" si="0">B1</f>',
                '<f t="shared" si="0"/>',
                "<f/>",
            )
        )
        value = rng.choice(("<v>5</v>", "<v>2.5</v>", "", "<v></v>", "<v/>"))
        return f'<c r="{address}"{style}>{formula}{value}</c>'

    def _odd_cell(self, address: str) -> str:
        rng = self._rng
        inline = f"<is><t>{rng.choice(ODD_TEXTS)}</t></is>"
        choices = (
            f'<c r="{address}"><v>{rng.choice(ODD_NUMBERS)}</v></c>',
            f'<c r="{address}" t="str"><v>{rng.choice(ODD_TEXTS)}</v></c>',
            f'<c r="{address}" t="inlineStr">{inline}</c>',
            f'<c r="{address}" t="inlineStr"><is>{rng.choice(RICH)}</is></c>',
            f'<c r="{address}" t="inlineStr"/>',
            f'<c r="{address}" t="inlineStr"><is/></c>',
            f'<c r="{address}" t="str"><v></v></c>',
            f'<c r="{address}" t="s"><v>999999</v></c>',
            f'<c r="{address}" t="b"><v>{rng.choice(("2", "true", ""))}</v></c>',
            f'<c r="{address}" t="d"><v>2020-01-05</v></c>',
            f'<c r="{address}" t="e"/>',
            f'<c t="n" r="{address}"><v>1</v></c>',
            f'<c r="{address}" t="x"><v>1</v></c>',
            "<c><v>3</v></c>",
            f'<c r="{address}"><v><![CDATA[5]]></v></c>',
            f'<c r="{address}"><!-- note --><v>5</v></c>',
            f'<c r="{address}"  s="1" ><v >5</v ></c >',
            f'<c r="{address}" cm="1"><v>5</v><extLst/></c>',
            f'<c r="A1"><v>{rng.choice(NUMBERS)}</v></c>',
        )
        return rng.choice(choices)


def workbook_of(sheet: str, shared: str = "", properties: str = "") -> bytes:
    """Return a workbook of the XML of one sheet and of its shared strings."""
    cells = "".join(
        f'<xf numFmtId="{code if isinstance(code, int) else 164 + at}"/>'
        for at, code in enumerate(FORMATS)
    )
    codes = "".join(
        f'<numFmt numFmtId="{164 + at}" formatCode={quoteattr(code)}/>'
        for at, code in enumerate(FORMATS)
        if isinstance(code, str)
    )
    types = "".join(
        f'<Override PartName="/xl/{part}.xml" ContentType="{PREFIX}.{kind}+xml"/>'
        for part, kind in (
            ("workbook", "sheet.main"), ("worksheets/sheet1", "worksheet"),
            ("styles", "styles"), ("sharedStrings", "sharedStrings"),
        )
    )  # fmt: skip
    relations = "".join(
        f'<Relationship Id="r{at}" Type="{OFFICE}/{kind}" Target="{target}.xml"/>'
        for at, (kind, target) in enumerate(
            (("worksheet", "worksheets/sheet1"), ("styles", "styles"),
             ("sharedStrings", "sharedStrings")), start=1)
    )  # fmt: skip
    parts = {
        "[Content_Types].xml": f'<Types xmlns="{CONTENT}"><Default Extension="rels" '
        'ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
        f'<Default Extension="xml" ContentType="application/xml"/>{types}</Types>',
        "_rels/.rels": f'<Relationships xmlns="{PACKAGE}"><Relationship Id="r1" '
        f'Type="{OFFICE}/officeDocument" Target="xl/workbook.xml"/></Relationships>',
        "xl/workbook.xml": f'<workbook xmlns="{MAIN}" xmlns:r="{OFFICE}">{properties}'
        '<sheets><sheet name="s" sheetId="1" r:id="r1"/></sheets></workbook>',
        "xl/_rels/workbook.xml.rels": f'<Relationships xmlns="{PACKAGE}">{relations}'
        "</Relationships>",
        "xl/styles.xml": f'<styleSheet xmlns="{MAIN}"><numFmts>{codes}</numFmts>'
        "<fonts><font/></fonts><fills><fill><patternFill/></fill></fills><borders><border/></borders>"
        f'<cellStyleXfs><xf/></cellStyleXfs><cellXfs><xf numFmtId="0"/>{cells}'
        "</cellXfs></styleSheet>",
        "xl/sharedStrings.xml": f'<sst xmlns="{MAIN}">{shared}</sst>',
        "xl/worksheets/sheet1.xml": sheet,
    }
    return zip_of({name: content.encode() for name, content in parts.items()})


def invented(seed: int, taste: Taste) -> bytes:
    """Return the workbook of a seed."""
    return Inventor(random.Random(seed), taste).workbook()


__all__ = ["Taste", "invented", "workbook_of"]
