"""Lifecycle rules of a bucket, and which of them an object store cannot live with.

Objects are kept for as long as records name them (storage 3.7). A rule that deletes
what is older than a month, or moves it to where nobody can read it at once, loses what
was published; nothing but unfinished multipart uploads may be tidied up by the server.
"""

from minio.commonconfig import ENABLED, Filter
from minio.lifecycleconfig import Rule


def harms(rule: Rule, prefix: str) -> bool:
    """Tell whether a rule deletes or moves objects below a prefix.

    Args:
        rule: Of the bucket.
        prefix: That of our keys, without a slash at its end; may be empty.
    """
    return (
        rule.status == ENABLED
        and (_expires(rule) or rule.transition is not None)
        and _reaches(rule.rule_filter, f"{prefix}/" if prefix else "")
    )


def what_it_does(rule: Rule) -> str:
    """Name a rule and its act, for a person who looks for it at the server."""
    name = rule.rule_id or "without a name"
    when = rule.expiration if _expires(rule) else rule.transition
    act = "deletes" if _expires(rule) else "moves away"
    if when is None or when.days is None:
        return f"{name}: {act} objects on a date"
    return f"{name}: {act} objects after {when.days} days"


def _expires(rule: Rule) -> bool:
    """Tell whether a rule deletes objects, and not only the marks of deleted ones."""
    end = rule.expiration
    return end is not None and (end.days is not None or end.date is not None)


def _reaches(chosen: Filter | None, prefix: str) -> bool:
    """Tell whether a rule's filter lets through any key that begins with a prefix."""
    if chosen is None:
        return True
    both = chosen.and_operator
    if chosen.tag is not None or (both is not None and both.tags):
        return False  # our objects have no tags
    start = (chosen.prefix if both is None else both.prefix) or ""
    return start.startswith(prefix) or prefix.startswith(start)
