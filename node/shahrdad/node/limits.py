"""The most that a node accepts from outside; a test on both sides of each limit."""

RECORD_BYTES_MAX = 1_048_576  # a body of the log: federation 4.2
TITLE_LETTERS_MAX = 300  # of another city's record, in the catalog
REPORT_BYTES_MAX = 64 * 1024**2  # a validation report read back whole
REMOTE_ANSWER_BYTES_MAX = 64 * 1024**2  # of the node that `shahrdad remote` asks
REMOTE_PAGES_MAX = 1_000  # of a list of that node
ORIGINAL_BYTES_MAX = 4 * 1024**3  # a file handed in
QUERY_LETTERS_MAX = 1_000  # a search
QUERY_WORDS_MAX = 32
PAGE_MAX = 1_000
