"""`shahrdad doctor`: look for faults, each with its mend."""

import sys

from shahrdad.node.console import Common, print_json
from shahrdad.node.exit_codes import ExitCode

MARKS = {"ok": "✓", "warning": "!", "failure": "✗"}


def doctor(*, common: Common = Common()) -> None:  # noqa: B008
    """Look for faults in the node's configuration, key, database, store and peers."""
    from shahrdad.node.config import load
    from shahrdad.node.operating.examination import examine

    config = load(common.config)
    findings = list(examine(config))
    if common.json:
        print_json(
            [
                {
                    "subject": finding.subject,
                    "severity": finding.severity,
                    "message": {"fa": finding.fa, "en": finding.en},
                    "mend": {"fa": finding.mend_fa, "en": finding.mend_en},
                }
                for finding in findings
            ]
        )
    else:
        common.table(
            ["", "", "", common.text("چاره", "mend")],
            [
                (
                    MARKS[finding.severity],
                    finding.subject,
                    common.text(finding.fa, finding.en),
                    common.text(finding.mend_fa, finding.mend_en),
                )
                for finding in findings
            ],
        )
    severities = {finding.severity for finding in findings}
    if "failure" in severities:
        sys.exit(ExitCode.UNEXPECTED)
    if "warning" in severities:
        sys.exit(ExitCode.PARTLY)
