"""The most that the write side accepts; a test on both sides of each limit."""

UPLOAD_BYTES_MAX = 512 * 1024**2
UPLOAD_HOURS = 48
REASON_LETTERS_MAX = 2_000  # of a return
TEXT_LETTERS_MAX = 10_000  # a member of a draft's description
PREVIEW_ROWS = 50
RUNNING_SECONDS_MAX = 15 * 60  # a request that runs longer was killed
