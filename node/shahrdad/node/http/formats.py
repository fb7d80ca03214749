"""The formats that a table is offered in, and what browsers are told of each."""

from shahrdad.node.record import PARQUET

MEDIA_TYPES = {
    "parquet": PARQUET,
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "excel.csv": "text/csv; charset=utf-8; header=present",
    "csv": "text/csv; charset=utf-8; header=present",
    "json": "application/json",
    "ndjson": "application/x-ndjson",
    "arrow": "application/vnd.apache.arrow.file",
    "arrows": "application/vnd.apache.arrow.stream",
}
OFFERED = ("parquet", "csv", "excel.csv", "xlsx", "json", "ndjson", "arrow")
DOWNLOADED = (*OFFERED, "arrows")  # of a whole version; a stream has no index
