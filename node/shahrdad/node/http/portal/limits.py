"""The most that a form of a page brings; a test on both sides of each limit."""

FILE_BYTES_MAX = 512 * 1024**2  # of a file that is sent to be verified; never stored
FIELD_BYTES_MAX = 256 * 1024  # of any other field, a receipt for example
PAGES_BYTES_MAX = 32 * 1024**2  # of pages that are kept while nothing is published
WORDS_LETTERS_MAX = 2_000  # of a remark on a dataset
NAME_LETTERS_MAX = 120  # of the name that signs it, and of the row that it is about
ADDRESS_LETTERS_MAX = 500  # of the place on the web where a reuse is to be seen
REUSE_DATASETS_MAX = 12  # that one reuse names
CODE_BYTES_MAX = 180  # of a key as a QR code, which a telephone still reads well
CODES_KEPT_MAX = 256  # QR codes of keys, about 4 kB each
CARDS_KEPT_MAX = 128  # pictures of datasets, about 15 kB each
