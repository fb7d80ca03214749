"""The most that the HTTP service accepts; a test on both sides of each limit."""

ADDRESS_BYTES_MAX = 8 * 1024
ADDRESS_ROWS_BYTES_MAX = 50_000  # rows and exports carry filters
HEADERS_BYTES_MAX = 16 * 1024
BODY_BYTES_MAX = 1024**2  # of a JSON or form body
ITEMS_MAX = 1_000  # of a page of a list
ITEMS_DEFAULT = 50
LIST_MEMBERS_MAX = 1_000  # of one repeated or comma-separated parameter
VALUE_LETTERS_MAX = 1_000
WAIT_SECONDS_MAX = 50  # proxies cut idle connections at 60
USAGE_READINGS_MAX = 100_000  # counted in memory between two writings
WAITERS_MAX = 500  # long polls at once
MIRROR_FILE_BYTES_MAX = 64 * 1024**2  # a named file of the static mirror
CHUNK_BYTES = 256 * 1024
SENT_BYTES = 64 * 1024  # of a file, held in memory for each slow reader
RECEIPT_LETTERS_MAX = 64 * 1024  # pasted, or sent to be judged
PIECE_ITEMS = 64  # of a long list, sent at once
GZIP_BYTES_MIN = 1024
GZIP_WELL_BYTES_MAX = 256 * 1024  # above, the fastest level
PREVIEW_ROWS = 50  # read for the preview of a page
PREVIEW_ROWS_SHOWN = 12  # of them; the page of rows has the others
PREVIEW_BYTES_MAX = 64 * 1024**2  # a Parquet object read for the preview of a page
REPORT_BYTES_MAX = 2 * 1024**2  # of a report that is read for the page of its dataset
BROWSER_PARTS_MAX = 16  # of a table, that a page names to the browser
EXPORT_ROWS_MAX = {  # of an export that is made while its reader waits
    "csv": 5_000_000,
    "excel.csv": 5_000_000,
    "arrow": 5_000_000,
    "arrows": 5_000_000,
    "json": 300_000,
    "ndjson": 300_000,
    "xlsx": 50_000,
}
EXPORT_WAIT_SECONDS = 10  # for a place among those being made
EXPORT_WAITERS_MAX = 16  # at once, each in a thread that serves no one meanwhile
EXPORT_BYTES_MAX = 1024**3  # of a selection as a file
OUTGOING_BYTES_MAX = 2 * 1024**3  # of finished selections that readers still take
OUTGOING_FILES_MAX = 500  # of them, each an open file
FEED_ENTRIES = 50
SITEMAP_ADDRESSES_MAX = 10_000
MAPPED_ROWS_MAX = 50_000  # of a table in the words of another standard
