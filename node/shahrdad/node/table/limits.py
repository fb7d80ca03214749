"""The bounds of tables, in one place."""

SINGLE_ROWS_MAX = 131_072  # storage 4.1: a table up to here is one object
SINGLE_GROUP_ROWS = 65_536  # rows in a row group of such an object
PART_GROUP_ROWS = 1 << 20  # a part is one row group
CUT_ROWS_MIN = 8_192  # the smallest m of the key-cut rule
PARTS_WANTED_MAX = 512  # k is chosen for at most so many parts
PARTS_KEPT_MIN = 128  # a dataset keeps its k within these bounds
PARTS_KEPT_MAX = 1_000
PART_BYTES_MAX = 1 << 30  # what a reader of a part takes into memory
BATCH_ROWS = 16_384  # decoded at a time
COLUMNS_MAX = 1_024

# Queries (storage 6, interfaces 2.1 and 4).
PAGE_ROWS_MAX = 1_000
PAGE_ROWS_DEFAULT = 50
FILTERS_MAX = 100
LIST_VALUES_MAX = 1_000
VALUE_LETTERS_MAX = 1_000
QUERY_BYTES_MAX = 50_000
SORT_COLUMNS_MAX = 8
GROUP_COLUMNS_MAX = 3
GROUPS_MAX = 100_000
DISTINCT_VALUES_MAX = 1_000_000  # held while counting different values
FILES_MAX = 4_096  # parts that one query may open
QUERY_CPU_SECONDS = 2.0  # interfaces 4.3: of one query, in a process of its own
QUERY_MEMORY_BYTES = 256 * 1024**2  # beyond what the process holds when it is idle
QUERY_WALL_SECONDS = 30  # a slow store, too
QUERY_WAIT_SECONDS = 10  # for a process to be free
WORKERS_MAX = 2
WORKER_IDLE_SECONDS = 300  # then a process ends itself
SORTED_ROWS_MAX = 300_000  # of an export that is put in order
STATS_CPU_SECONDS = 20.0  # of all columns of a table; remembered by its digest
