"""What a check of `shahrdad doctor` says."""

from dataclasses import dataclass
from typing import Literal

Severity = Literal["ok", "warning", "failure"]


@dataclass(frozen=True, slots=True)
class Finding:
    """What a check found; `mend` is empty when all is well."""

    subject: str
    severity: Severity
    fa: str
    en: str
    mend_fa: str = ""
    mend_en: str = ""
