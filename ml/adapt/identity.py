"""No adaptation: a descriptor trained on photos and renders in one space needs none."""

from __future__ import annotations

from ml.types import FloatArray

__all__ = ["IdentityAdapter"]


class IdentityAdapter:
    fingerprint = "identity-1"
    embedder = ""

    def adapt(self, vectors: FloatArray) -> FloatArray:
        """(n, d) -> the same (n, d)."""
        return vectors
