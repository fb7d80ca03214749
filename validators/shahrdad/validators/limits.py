"""Every bound on what comes from outside (`validation.md` 5), in one place.

A caller may lower them by `dataclasses.replace`; nothing raises them.
"""

from dataclasses import dataclass

KIB, MIB, GIB = 1 << 10, 1 << 20, 1 << 30


@dataclass(frozen=True, slots=True)
class Limits:
    """The bounds of one reading.

    Attributes:
        source_bytes_max: Length of the file as it came.
        inflated_bytes_max: Bytes that a gz or zip may unpack to.
        inflation_ratio_max: Unpacked bytes for each packed one, judged once
            `inflation_free_bytes` are out: small files may be denser.
        dense_row_bytes: Bytes of text that each row of a Parquet may have whatever its
            ratio: rows that are all alike take no room in it.
        zip_members_max: Members of a zip archive, workbooks included.
        workbook_member_bytes_max: Unpacked length of any member of a workbook.
        shared_strings_bytes_max: Unpacked length of an XLSX's shared strings.
        workbook_bytes_max: Unpacked length of all members of a workbook together.
        biff_bytes_max: Length of an XLS file, which is not packed.
        sheet_cells_max: Rows × columns up to the last value of a sheet.
        sparse_cells_min: A sheet of more cells that is `sparse_ratio` times emptier
            than full goes to the sparse reader.
        empty_rows_max: Empty rows in a sheet after which the sparse reader stops.
        row_bytes_max: Length of one record of text.
        cell_bytes_max: Length of one cell.
        columns_max: Columns of a table.
        header_bytes_max: Length of all labels together.
        sample_bytes_max: What is looked at to find encoding and dialect.
        json_bytes_max: Length of a JSON document that is not JSON Lines: it is
            parsed as a whole.
        json_depth_max: Nesting of a JSON value.
        header_rows_looked_at: Rows among which the header is looked for.
        sheets_max: Sheets of a workbook.
        coloured_cells_max: Coloured cells of a sheet that are remembered; what more
            there are is said, and such a sheet's colours cannot be mapped.
        labels_asked_max: Texts of one code column that name no code; with more, none is
            asked for, since the column holds no codes.
    """

    source_bytes_max: int = 4 * GIB
    inflated_bytes_max: int = 16 * GIB
    inflation_ratio_max: int = 200
    inflation_free_bytes: int = 64 * MIB
    dense_row_bytes: int = 4 * KIB
    zip_members_max: int = 10_000
    workbook_member_bytes_max: int = 1 * GIB
    shared_strings_bytes_max: int = 256 * MIB
    workbook_bytes_max: int = 2 * GIB
    biff_bytes_max: int = 256 * MIB
    sheet_cells_max: int = 50_000_000
    sparse_cells_min: int = 2_000_000
    sparse_ratio: int = 20
    empty_rows_max: int = 1_000
    row_bytes_max: int = 64 * MIB
    cell_bytes_max: int = 1 * MIB
    columns_max: int = 16_384
    header_bytes_max: int = 1 * MIB
    sample_bytes_max: int = 1 * MIB
    json_bytes_max: int = 64 * MIB
    json_depth_max: int = 64
    header_rows_looked_at: int = 50
    sheets_max: int = 1_000
    coloured_cells_max: int = 1_000_000
    labels_asked_max: int = 200


DEFAULT = Limits()
