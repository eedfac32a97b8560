"""phi: what it does to descriptors, on disk and back, and how it is fitted."""

from __future__ import annotations

import numpy as np
import pytest

from ml import registry
from ml.adapt.fitting import fit_linear
from ml.adapt.linear import MOST_DIMENSIONS, save_adapter
from ml.errors import WeightsMissing

DIM = 12


def _unit(rows):
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def _pairs(seed: int, count: int, *, is_rectified: bool):
    """Renders, and photos that are the same turned by a fixed rotation, with noise."""
    rng = np.random.default_rng(seed)
    turn = np.linalg.qr(np.random.default_rng(0).standard_normal((DIM, DIM)))[0]
    renders = rng.standard_normal((count, DIM))
    if is_rectified:
        renders = np.maximum(renders, 0)
    return _unit(_unit(renders) @ turn.T + 0.02 * rng.standard_normal((count, DIM))), _unit(renders)


@pytest.mark.parametrize("is_rectified", [False, True])
def test_a_known_change_of_domain_is_undone(is_rectified, tmp_path):
    photos, renders = _pairs(1, 3000, is_rectified=is_rectified)
    held_out = _pairs(2, 300, is_rectified=is_rectified)

    matrix, bias = fit_linear(photos, renders, is_rectified=is_rectified, held_out=held_out)

    adapter = save_adapter(
        tmp_path / "phi.safetensors", matrix, bias, is_rectified=is_rectified, embedder="e"
    )
    unseen, wanted = _pairs(3, 300, is_rectified=is_rectified)
    adapted = adapter.adapt(unseen)
    np.testing.assert_allclose(np.linalg.norm(adapted, axis=1), 1, atol=1e-5)
    assert np.einsum("nd,nd->n", unseen, wanted).mean() < 0.4
    assert np.einsum("nd,nd->n", adapted, wanted).mean() > 0.97


def test_what_does_not_carry_over_comes_back_as_the_identity():
    rng = np.random.default_rng(1)
    photos, renders = _unit(rng.standard_normal((500, DIM))), _unit(rng.standard_normal((500, DIM)))
    same = _unit(rng.standard_normal((200, DIM)))

    matrix, bias = fit_linear(photos, renders, is_rectified=False, held_out=(same, same))

    np.testing.assert_array_equal(matrix, np.eye(DIM))
    np.testing.assert_array_equal(bias, 0)


def test_a_descriptor_the_relu_leaves_nothing_of_stays_as_it_was(tmp_path):
    path = tmp_path / "phi.safetensors"
    adapter = save_adapter(
        path, -np.eye(3, dtype=np.float32), np.zeros(3, np.float32), is_rectified=True, embedder="e"
    )
    rows = _unit(np.array([[1.0, 2, 3], [-1, 2, -3]]))
    np.testing.assert_array_equal(adapter.adapt(rows)[0], rows[0])
    np.testing.assert_allclose(adapter.adapt(rows)[1], _unit(np.array([[1.0, 0, 3]]))[0], rtol=1e-6)


def test_the_registry_opens_a_file_and_names_one_that_is_missing(tmp_path):
    path = tmp_path / "phi.safetensors"
    saved = save_adapter(
        path, np.eye(3, dtype=np.float32), np.zeros(3, np.float32), is_rectified=False, embedder="e"
    )
    opened = registry.adapter(f"linear:{path}")
    assert (opened.fingerprint, opened.embedder) == (saved.fingerprint, "e")
    with pytest.raises(WeightsMissing, match=r"other.safetensors.*adapt_catalog"):
        registry.adapter(f"linear:{tmp_path / 'other.safetensors'}")


def test_too_many_dimensions_are_refused():
    wide = np.zeros((2, MOST_DIMENSIONS + 1), np.float32)
    with pytest.raises(ValueError, match="another layer"):
        fit_linear(wide, wide, is_rectified=True, held_out=(wide, wide))
