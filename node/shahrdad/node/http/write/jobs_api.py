"""`/v1/jobs`: what became of a write that its caller would not wait for."""

from shahrdad.node.accounts.roles import Action
from shahrdad.node.http.write import deferring
from shahrdad.node.http.write.writing import Writing


def writings() -> list[Writing]:
    """Return the addresses."""
    path, right = "/v1/jobs/{job}", Action.IDENTITY
    return [
        Writing("getJob", "GET", path, right, deferring.show, "A job."),
        Writing("cancelJob", "DELETE", path, right, deferring.cancel, "Cancel a job."),
    ]
