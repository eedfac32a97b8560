"""Where a network runs, and in which numbers."""

from __future__ import annotations

from functools import cache

import torch

__all__ = ["answers_in_bfloat16", "computes_in_bfloat16", "device"]


@cache
def device() -> torch.device:
    """The first CUDA device this process sees, else the processor. One process a device: which one it sees is
    said by CUDA_VISIBLE_DEVICES."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


@cache
def computes_in_bfloat16() -> bool:
    """Whether the processor has instructions for it: without them it is slower than float32."""
    has = torch.cpu.get_capabilities()
    return bool(has.get("avx512_bf16") or has.get("amx_bf16"))


def answers_in_bfloat16() -> bool:
    """Whether networks that answer searches do: on such a processor, where no CUDA device does the work."""
    return device().type == "cpu" and computes_in_bfloat16()
