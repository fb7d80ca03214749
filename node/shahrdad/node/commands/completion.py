"""`shahrdad completion`: what a shell needs to complete our words."""

import sys
from typing import Literal

Shell = Literal["bash", "zsh", "fish"]


def completion(shell: Shell) -> None:
    """Print the completion script of a shell.

    For example: shahrdad completion bash >> ~/.bash_completion

    Args:
        shell: Which shell reads it.
    """
    from shahrdad.node.command_table import app

    sys.stdout.write(app.generate_completion(prog_name="shahrdad", shell=shell))
