"""The addresses that are for signed-in callers alone: no other site may read them."""

PRIVATE = (
    "/v1/session",
    "/v1/uploads",
    "/v1/drafts",
    "/v1/tokens",
    "/v1/users",
    "/v1/audit",
    "/v1/jobs",
    "/metrics",
    "/fa/publish",
    "/en/publish",
)


def is_private(path: str) -> bool:
    """Tell whether an address is for signed-in callers alone.

    >>> is_private("/v1/drafts/01J"), is_private("/v1/draftsman"), is_private("/v1")
    (True, False, False)
    """
    return any(path == place or path.startswith(f"{place}/") for place in PRIVATE)
