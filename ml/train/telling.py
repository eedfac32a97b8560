"""How far a training's work is, on a terminal."""

from __future__ import annotations

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from ml.pipelines.progress import Progress as Tell

__all__ = ["progress_bar", "told"]


def progress_bar() -> Progress:
    return Progress(
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    )


def told(bar: Progress) -> Tell:
    """A line of the bar that moves as it is told."""
    task = bar.add_task("rendering", total=None)

    def tell(stage: str, done: int, total: int) -> None:
        bar.update(task, description=stage, completed=done, total=total)

    return tell
