"""The exit codes of the command, frozen: scripts depend on them.

The kind of an error decides; a few reasons say more than their kind.
"""

from enum import IntEnum

from shahrdad.datasets.errors import (
    ConflictError,
    DataError,
    PeerError,
    Reason,
    RequestError,
    ShahrdadError,
    UnavailableError,
)


class ExitCode(IntEnum):
    """What a run of the command came to."""

    DONE = 0
    UNEXPECTED = 1
    USAGE = 2
    DATA_NOT_VALID = 3
    NOT_ALLOWED = 4
    NOT_FOUND = 5
    CONFLICT = 6  # or an approval is needed
    NETWORK = 7
    PARTLY = 8
    VERIFICATION_FAILED = 9


BY_KIND: dict[type[ShahrdadError], ExitCode] = {
    DataError: ExitCode.DATA_NOT_VALID,
    RequestError: ExitCode.USAGE,
    ConflictError: ExitCode.CONFLICT,
    PeerError: ExitCode.NETWORK,
    UnavailableError: ExitCode.NETWORK,
}
BY_REASON: dict[Reason, ExitCode] = {
    Reason.CONFIG_NOT_FOUND: ExitCode.NOT_FOUND,
    Reason.DATASET_UNKNOWN: ExitCode.NOT_FOUND,
    Reason.VERSION_UNKNOWN: ExitCode.NOT_FOUND,
    Reason.NOT_YET_PUBLISHED: ExitCode.NOT_FOUND,
    Reason.RECORD_NOT_HELD: ExitCode.NOT_FOUND,
    Reason.FILE_NOT_FOUND: ExitCode.NOT_FOUND,
    Reason.APPROVAL_NEEDED: ExitCode.CONFLICT,
    Reason.ACCOUNT_UNKNOWN: ExitCode.NOT_FOUND,
    Reason.CHECKPOINT_NOT_HELD: ExitCode.NOT_FOUND,
    Reason.REPORT_DIFFERS: ExitCode.VERIFICATION_FAILED,
    Reason.AUDIT_BROKEN: ExitCode.VERIFICATION_FAILED,
    Reason.BACKUP_DAMAGED: ExitCode.VERIFICATION_FAILED,
    Reason.DIGEST_NOT_APPROVED: ExitCode.CONFLICT,
    Reason.DRAFT_UNKNOWN: ExitCode.NOT_FOUND,
    Reason.FORBIDDEN: ExitCode.NOT_ALLOWED,
    Reason.FOUR_EYES: ExitCode.NOT_ALLOWED,
    Reason.MONTH_DIFFERS: ExitCode.VERIFICATION_FAILED,
    Reason.MONTH_NOT_CLOSED: ExitCode.NOT_FOUND,
    Reason.LOGIN_REFUSED: ExitCode.NOT_ALLOWED,
    Reason.LOGIN_THROTTLED: ExitCode.NOT_ALLOWED,
    Reason.PASSWORD_NEEDED: ExitCode.NOT_ALLOWED,
    Reason.REDACTION_ROLES: ExitCode.NOT_ALLOWED,
    Reason.SCOPE_MISSING: ExitCode.NOT_ALLOWED,
    Reason.SECOND_FACTOR_NEEDED: ExitCode.NOT_ALLOWED,
    Reason.TOKEN_NEEDED: ExitCode.NOT_ALLOWED,
    Reason.TOKEN_UNKNOWN: ExitCode.NOT_FOUND,
    Reason.UNAUTHENTICATED: ExitCode.NOT_ALLOWED,
    Reason.VERIFICATION_FAILED: ExitCode.VERIFICATION_FAILED,
}


def exit_code(error: ShahrdadError) -> ExitCode:
    """Return the exit code of an error."""
    if error.reason in BY_REASON:
        return BY_REASON[error.reason]
    return next(code for kind, code in BY_KIND.items() if isinstance(error, kind))
