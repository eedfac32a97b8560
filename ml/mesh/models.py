"""From a model found in a source to a normalized mesh, in one call."""

from __future__ import annotations

from ml.mesh.decimating import decimate
from ml.mesh.limits import MeshLimits
from ml.mesh.normalizing import combined, normalize
from ml.mesh.reading import read_mesh
from ml.types import Frame, Mesh, ModelFile

__all__ = ["load_model"]


def load_model(
    model: ModelFile,
    frame: Frame | None = None,
    *,
    limits: MeshLimits = MeshLimits(),  # noqa: B008
) -> tuple[Mesh, tuple[str, ...]]:
    """Read, reduce to `limits.target_faces` and normalize. `frame` (the model's own by default)
    wins over what the file's format says. Raises BadMesh."""
    mesh, of_format, read = read_mesh(model.path, limits=limits)
    mesh, reduced = decimate(mesh, limits.target_faces)
    mesh, guessed = normalize(mesh, combined(model.frame if frame is None else frame, of_format))
    return mesh, (*read, *reduced, *guessed)
