"""Every bad file gets a sentence that says what is wrong and what to do; all that can come in does."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from ml.render.raycast import RayScene
from ml.render.views import DEFAULT_GRID, render_views
from ml.types import ViewSet
from tests.ml.mesh.bad_files import BAD, Bad, sent


@pytest.mark.parametrize("bad", BAD, ids=lambda bad: bad.what)
def test_a_bad_file_gets_its_sentence(bad: Bad, tmp_path: Path) -> None:
    mesh, said = sent(bad, tmp_path)

    assert re.search(bad.says, said, re.S), said
    assert (mesh is not None) == bool(bad.faces)
    if mesh is not None:
        assert np.isfinite(mesh.vertices).all()
        assert 0.5 * bad.faces <= len(mesh.faces) <= bad.faces


def test_what_is_inside_out_is_seen_from_outside(tmp_path: Path) -> None:
    """Both sides are drawn: the views of a box do not depend on its winding."""
    first = _views("turned inside out", tmp_path)
    second = _views("a million metres from the origin", tmp_path)
    different = np.abs(first.pixels.astype(int) - second.pixels.astype(int)).mean()
    assert different < 3


def test_a_tenth_of_a_millimetre_is_drawn_like_a_metre(tmp_path: Path) -> None:
    first = _views("0.1 mm large, unit stated", tmp_path)
    second = _views("10 km large, unit stated", tmp_path)
    assert (first.masks == second.masks).mean() > 0.99


def _views(what: str, folder: Path) -> ViewSet:
    """Of a bad file that came in."""
    mesh, _ = sent(next(bad for bad in BAD if bad.what == what), folder)
    assert mesh is not None
    return render_views(RayScene(mesh), DEFAULT_GRID)
