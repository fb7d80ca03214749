"""The most that accounts accept; a test on both sides of each limit."""

PASSWORD_LETTERS_MIN = 12
PASSWORD_BYTES_MAX = 1024  # argon2 takes any length; a body of megabytes must not
NAME_LETTERS_MAX = 32
TOKEN_DAYS = 90
TOKEN_DAYS_MAX = 365
TOKEN_WARNING_DAYS = 7
TOKEN_NAME_LETTERS_MAX = 60
SCOPES_MAX = 20  # of one token
SESSION_SECONDS = 8 * 3600
REAUTHENTICATION_SECONDS = 30 * 60
LOGIN_TRIES = 5  # wrong ones before the first delay
LOGIN_DELAY_SECONDS_MAX = 15 * 60
RECOVERY_CODES = 10
PERSONAL_MONTHS = 24  # names and addresses of the audit are dropped then
IDEMPOTENCY_SECONDS = 24 * 3600
IDEMPOTENCY_KEY_LETTERS_MAX = 128
