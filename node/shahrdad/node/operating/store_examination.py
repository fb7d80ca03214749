"""What `shahrdad doctor` asks of the object store: every line of the store's probe.

A store that works today may still lose what it holds: versioning keeps what a redaction
removed, a lifecycle rule deletes what is old, a second node collects what it does not
know.
"""

from datetime import UTC, datetime
from typing import NamedTuple

from shahrdad.node.city import Node
from shahrdad.node.config import Config
from shahrdad.node.operating.findings import Finding, Severity
from shahrdad.node.store.probe import ProbeLine, State, probe

EXERCISES = frozenset({"put", "stat", "range", "list", "delete"})
SEVERITIES: dict[State, Severity] = {
    State.GOOD: "ok",
    State.WARNING: "warning",
    State.BAD: "failure",
}


class Words(NamedTuple):
    """A question in two languages, and what to do when its answer is not good."""

    fa: str
    en: str
    mend_fa: str
    mend_en: str


WORDS = {
    "bucket": Words(
        "سطل",
        "Bucket",
        "سطل را بسازید یا store.bucket و کلیدها را درست کنید.",
        "Make the bucket, or mend store.bucket and the keys.",
    ),
    "versioning": Words(
        "نگه‌داری نسخه‌ها",
        "Versioning",
        "versioning سطل را خاموش و نسخه‌های پیشین را پاک کنید.",
        "Turn the bucket's versioning off, and delete the old versions.",
    ),
    "lifecycle": Words(
        "قاعدهٔ عمر اشیا",
        "Lifecycle rules",
        "این قاعده را در سرور بردارید: تنها بارگذاری‌های ناتمام را می‌توان پاک کرد.",
        "Remove the rule at the server: it may tidy up unfinished uploads alone.",
    ),
    "private-closed": Words(
        "بسته‌بودن بخش خصوصی",
        "Private objects",
        "خواندن بی‌کلید private/ و quarantine/ را ببندید یا store.private_bucket بدهید.",
        "Close private/ and quarantine/ to readers without keys, or set"
        " store.private_bucket.",
    ),
    "object-as-configured": Words(
        "خواندن بی‌کلید اشیای همگانی",
        "Public objects without keys",
        'خواندن بی‌کلید object/ را باز کنید یا store.serve را "node" بگذارید.',
        'Let readers without keys get object/, or set store.serve to "node".',
    ),
    "clock": Words(
        "ساعت سرور",
        "The server's clock",
        "ساعت هر دو را با NTP میزان کنید.",
        "Set both clocks by NTP.",
    ),
    "owner": Words(
        "دفتر صاحب این محل",
        "The log that owns the place",
        "به هر گره سطل، پیشوند (store.prefix) یا پوشهٔ خودش را بدهید.",
        "Give each node a bucket, a prefix (store.prefix) or a folder of its own.",
    ),
    "hard-links": Words(
        "پیوند سخت",
        "Hard links",
        "بی آن هم درست کار می‌کند؛ ext4 و xfs آن را دارند.",
        "It works without them too; ext4 and xfs have them.",
    ),
}
EXERCISE = Words(
    "نوشتن و خواندن",
    "Writing and reading",
    "دیسک یا سرور S3 را بیازمایید.",
    "Test the disk or the S3 server.",
)


def examine_store(config: Config) -> list[Finding]:
    """Ask the store all that the node relies on; one finding for a good exercise."""
    with Node(config) as node:
        lines = probe(node.store, config.federation.origin, datetime.now(UTC))
    good = [one.name for one in lines if is_exercise(one) and one.state is State.GOOD]
    rest = [one for one in lines if one.name not in good]
    findings = [finding_of(line) for line in rest]
    if set(good) == EXERCISES:
        fa = f"می‌نویسد، می‌یابد، می‌خواند و پاک می‌کند ({config.store.kind})."
        en = f"It writes, finds, reads, lists and deletes ({config.store.kind})."
        findings.insert(0, Finding("store", "ok", fa, en))
    return findings


def is_exercise(line: ProbeLine) -> bool:
    """Tell whether a line is a step of writing, finding, reading and deleting."""
    return line.name in EXERCISES


def finding_of(line: ProbeLine) -> Finding:
    """Return what a line says, with its mend when it is not good."""
    question, _, bucket = line.name.partition(" ")
    words = WORDS.get(question, EXERCISE)
    what = line.name if is_exercise(line) else bucket
    fa, en = (f"{one} {what}".strip() for one in (words.fa, words.en))
    subject = "store" if is_exercise(line) else f"store-{question}"
    severity = SEVERITIES[line.state]
    mends = (words.mend_fa, words.mend_en) if severity != "ok" else ("", "")
    return Finding(
        subject, severity, f"{fa}: {line.detail}", f"{en}: {line.detail}", *mends
    )
