"""The most that a form of a page brings; a test on both sides of each limit."""

FILE_BYTES_MAX = 512 * 1024**2  # of a file that is sent to be verified; never stored
FIELD_BYTES_MAX = 256 * 1024  # of any other field, a receipt for example
PAGES_BYTES_MAX = 32 * 1024**2  # of pages that are kept while nothing is published
