"""Cheap passwords: what is tested is who gets in, not how long a hash takes."""

import pytest
from argon2 import PasswordHasher

from shahrdad.node.accounts import passwords

CHEAP = PasswordHasher(time_cost=1, memory_cost=64, parallelism=1)


@pytest.fixture(autouse=True)
def _cheap_hashes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hash with little memory; one test undoes it and looks at the real parameters."""
    monkeypatch.setattr(passwords, "hasher", lambda: CHEAP)
