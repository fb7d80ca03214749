"""The most that is accepted from a CKAN portal; a test on both sides of each limit."""

PAGE_PACKAGES = 500  # asked for at a time; a portal may give fewer
PACKAGES_MAX = 200_000  # of one portal
ANSWER_BYTES_MAX = 64 * 1024**2  # one answer of the API, inflated
FILE_BYTES_MAX = 512 * 1024**2  # one file of a dataset
RESOURCES_MAX = 1_000  # of one dataset
TAGS_MAX = 100
TEXT_CHARACTERS_MAX = 20_000  # of a description; the rest is cut off
NAME_CHARACTERS_MAX = 100  # CKAN's own bound on names
URL_CHARACTERS_MAX = 2_000
DEPTH_MAX = 32  # of nested values in a dataset

CALL_SECONDS_MAX = 60  # one call of the API, from its first byte to its last
FILE_SECONDS_MAX = 1_800
READ_SECONDS_MAX = 30  # between two pieces of an answer
TRIES_MAX = 4
WAIT_SECONDS = 0.5  # before the second try; doubled after each
WAIT_SECONDS_MAX = 20.0
REDIRECTS_MAX = 5  # of a file; the API follows none

GONE_FREE = 5  # so many may vanish in one run without a question
GONE_PERCENT_MAX = 10
CHANGED_FREE = 5
CHANGED_PERCENT_MAX = 50
DRIFT_FREE = 50  # differences between index and list that are asked about one by one
DRIFT_PERCENT_MAX = 20
