"""The most that a reader accepts, waits and keeps; tested on both sides."""

JSON_BYTES_MAX = 16_777_216  # a page of 1,000 datasets is about 4 MiB
RECORD_BYTES_MAX = 1_048_576  # the same as a body of the log
RECEIPT_BYTES_MAX = 65_536
POLICY_BYTES_MAX = 65_536
EXPORT_BYTES_MAX = 2_147_483_648
HEADS_BYTES_MAX = 4_194_304
TILE_BYTES_MAX = 1_049_088  # a bundle of 256 entries of 4,096 bytes
LOG_ENTRIES_MAX = 10_000_000
ZIP_DIRECTORY_BYTES_MAX = 33_554_432
ZIP_FILES_MAX = 200_000

CONNECT_SECONDS_MAX = 10.0
READ_SECONDS_MAX = 60.0
TRIES_MAX = 4
RETRY_AFTER_SECONDS_MAX = 60.0  # a node that asks for more is reported instead
WAIT_SECONDS_MAX = 50

PAGE_DATASETS = 200
PAGE_ROWS = 1_000  # of a table of figures
CACHE_BYTES_MAX = 2_147_483_648
CACHE_TEMPORARY_SECONDS_MAX = 86_400  # what a killed process left behind
