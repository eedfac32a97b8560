"""Where a network runs."""

from __future__ import annotations

from functools import cache

import torch

__all__ = ["device"]


@cache
def device() -> torch.device:
    """The first CUDA device this process sees, else the processor. One process a device: which one it sees is
    said by CUDA_VISIBLE_DEVICES."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")
