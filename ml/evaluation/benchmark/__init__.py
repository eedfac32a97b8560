"""`python -m ml bench`: each stage against what one would otherwise take, measured in the same run.

Ratios are what is compared between machines; milliseconds depend on who else is on them.
"""

from __future__ import annotations

from ml.evaluation.benchmark.cli import main

__all__ = ["main"]
