"""The most that an analysis reads; a test on both sides of each limit."""

TABLE_ROWS_MAX = 500_000  # a larger table is left out of cross-city figures, and named
CACHE_BYTES_MAX = 128 * 1024**2  # of decoded tables, kept between requests
VERSIONS_MAX = 24  # of one dataset, read back for its history
CHANGES_MAX = 200_000  # entries of all logs that one report looks through
CHECKPOINTS_MAX = 1_000  # logs that one report is pinned to
MONTH_CHANGES_MAX = 5_000  # publications that one report lists; it counts them all
