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
SUBJECT_LETTERS_MAX = 255  # of a person at the sign-in service: OpenID Connect Core 2
FLOW_SECONDS = 600  # from leaving for the sign-in service to the second factor
FLOWS_MAX = 2_000  # sign-ins under way at once
PROVIDER_ANSWER_BYTES_MAX = 256 * 1024
PROVIDER_SECONDS_MAX = 10.0  # of one answer of the sign-in service
PROVIDER_CODE_LETTERS_MAX = 4_096
