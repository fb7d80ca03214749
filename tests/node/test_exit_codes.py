"""Every reason ends a command with a code that scripts can rely on."""

import pytest

from shahrdad.datasets.errors import (
    ConflictError,
    DataError,
    PeerError,
    Reason,
    RequestError,
    UnavailableError,
)
from shahrdad.node.exit_codes import BY_KIND, ExitCode, exit_code


def test_codes_are_frozen() -> None:
    """The numbers are an interface: scripts compare with them."""
    assert [*range(10)] == [code.value for code in ExitCode]


def test_every_kind_has_a_code() -> None:
    """No error ends as "unexpected"."""
    kinds = {DataError, RequestError, ConflictError, PeerError, UnavailableError}

    assert kinds == set(BY_KIND)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (DataError(Reason.TOO_LARGE), ExitCode.DATA_NOT_VALID),
        (RequestError(Reason.CONFIG_VALUE), ExitCode.USAGE),
        (RequestError(Reason.DATASET_UNKNOWN), ExitCode.NOT_FOUND),
        (RequestError(Reason.APPROVAL_NEEDED), ExitCode.CONFLICT),
        (PeerError(Reason.TOO_LARGE), ExitCode.NETWORK),
        (ConflictError(Reason.NODE_EXISTS), ExitCode.CONFLICT),
    ],
)
def test_reason_gives_its_code(error: Exception, code: ExitCode) -> None:
    """Kinds decide, and some reasons say more."""
    assert isinstance(error, DataError | RequestError | PeerError | ConflictError)
    assert code is exit_code(error)
