"""The bounds of the object store, in one place."""

from datetime import timedelta

CHUNK_BYTES = 1 << 20  # copied at a time
SPOOL_BYTES_MAX = 16 << 20  # kept in memory before a temporary file is used
S3_PART_BYTES = 16 << 20  # storage 3.1: one request up to here, multipart above
S3_PARTS_MAX = 10_000  # the S3 protocol's own bound
OBJECT_BYTES_MAX = S3_PART_BYTES * S3_PARTS_MAX  # 156 GiB, the larger store's bound
NAMED_BYTES_MAX = 16 << 20  # a file of the static mirror; the longest is `heads`

S3_CONNECT_SECONDS = 5.0
S3_READ_SECONDS = 30.0
S3_CONNECTIONS_MAX = 32
S3_ATTEMPTS_MAX = 4
S3_READ_RETRY_SECONDS = 4.0  # an absent store is reported within 10 s (storage 11.12)
S3_WRITE_RETRY_SECONDS = 60.0
CLOCK_SECONDS_MAX = 60.0  # S3 itself refuses at 15 minutes; doctor warns long before

TEMPORARY_AGE_MAX = timedelta(hours=72)  # a `.tmp-*` older than this belongs to nobody
PRESIGNED_AGE_MAX = timedelta(hours=1)
PRESIGNED_BYTES_MIN = 64 << 20  # above, `serve = "presigned"` sends to the store

GRACE = timedelta(hours=72)  # storage 3.7: an unreferenced object is left alone so long
GRACE_MIN = timedelta(hours=24)
CANDIDATE_AGE_MIN = timedelta(hours=24)  # between noticing an object and deleting it
JOB_AGE_MAX = timedelta(days=7)  # a job names its objects so long, if it died too
DELETE_BATCH_MAX = 50  # objects deleted while the database is locked
BRAKE_SHARE = 10  # more than one object in this many at once needs a confirmation

SCRUB_BYTES_PER_SECOND = 20_000_000
SCRUB_PERIOD = timedelta(days=30)
QUARANTINE_BYTES_MAX = 1 << 30
QUARANTINE_AGE_MAX = timedelta(days=30)
