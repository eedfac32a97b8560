"""Source units and axes -> metres, y up, +z the front, centred."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from ml.errors import BadMesh
from ml.types import Frame, Mesh, Unit

__all__ = ["METERS", "combined", "guess_unit", "normalize", "turn"]

METERS: dict[Unit, float] = {"mm": 0.001, "cm": 0.01, "m": 1.0, "in": 0.0254}

_AXES = {
    sign + name: (1.0 if sign == "+" else -1.0) * np.eye(3)[index]
    for index, name in enumerate("xyz")
    for sign in "+-"
}
_Z_UP = np.array([[1.0, 0, 0], [0, 0, 1], [0, -1, 0]])  # z up, front -y -> y up, front +z

_LARGEST_M = 12.0
"""Longest edge, in units, still believed to be metres: a wardrobe wall; a tree has 10."""
_LARGEST_CM = 300.0
"""Above the metres and up to this, centimetres; beyond, millimetres: a sofa has 300 cm, a stool 450 mm."""
_BELIEVED_M = (0.005, 50.0)
"""Longest edge, in metres, of what a catalogue sells; beyond, a stated unit is worth a word."""
_UNEVEN = 1.05
"""Scales of two axes further apart than this factor are worth a word."""


def combined(stated: Frame, of_format: Frame) -> Frame:
    """What the admin or the catalog states, completed by what the file's format says. A stated up
    without a front drops the format's front, which belongs to the format's up."""
    front = stated.front or (None if stated.up and stated.up != of_format.up else of_format.front)
    return Frame(
        unit=stated.unit or of_format.unit,
        up=stated.up or of_format.up,
        front=front,
        size=stated.size or of_format.size,
        rotation=stated.rotation or of_format.rotation,
    )


def turn(up: str | None, front: str | None) -> npt.NDArray[np.float64]:
    """(3, 3) normalized_from_source rotation, determinant +1.

    up None is +y. front None is +z for y up and -y for z up, as modelers draw. A front along the
    up axis ('z up, front +z') is read as named once the model stands upright, y up.
    """
    upward = _AXES[up or "+y"]
    upright = _upright(up or "+y")
    forward = _AXES[front] if front else upright.T @ _AXES["+z"]
    if abs(float(forward @ upward)) > 0.5:
        if (front or "")[1:] == "y":
            raise BadMesh(f"front {front} is the up axis {up or '+y'}; give another front")
        forward = upright.T @ forward
    return np.stack([np.cross(upward, forward), upward, forward])


def _upright(up: str) -> npt.NDArray[np.float64]:
    """The customary y-up rotation of a model whose `up` points up."""
    if up == "+y":
        return np.eye(3)
    if up == "-y":
        return np.diag([-1.0, -1.0, 1.0])
    if up == "+z":
        return _Z_UP
    if up == "-z":
        return np.array([[1.0, 0, 0], [0, 0, -1], [0, 1, 0]])
    sign = 1.0 if up == "+x" else -1.0
    return np.array([[0, -sign, 0], [sign, 0, 0], [0, 0, 1.0]])


def guess_unit(longest: float) -> Unit:
    """The unit a product whose longest edge measures `longest` was likely drawn in."""
    if longest <= _LARGEST_M:
        return "m"
    return "cm" if longest <= _LARGEST_CM else "mm"


def normalize(mesh: Mesh, frame: Frame) -> tuple[Mesh, tuple[str, ...]]:
    """The mesh in metres, y up, +z the front, bounding box centred on 0; coordinates rounded to
    float32, so that GLB, archive and views agree to the bit. And what had to be guessed.

    Raises BadMesh where the model is too thin to have a size, or up and front contradict.
    """
    warnings: list[str] = []
    vertices = mesh.vertices - _center(mesh.vertices)  # first: far-away models keep their precision
    if frame.rotation is not None:
        vertices = vertices @ np.asarray(frame.rotation, dtype=np.float64).reshape(3, 3).T
    extents = np.ptp(vertices, axis=0)
    longest = float(extents.max())
    if not np.isfinite(longest) or longest <= 0:
        raise BadMesh("the model has no size: all its corners are at one place")
    if frame.size is not None:
        vertices = vertices * _scales(extents, frame.size, warnings)
    else:
        unit = frame.unit or guess_unit(longest)
        vertices = vertices * METERS[unit]
        if frame.unit is not None and not _BELIEVED_M[0] <= longest * METERS[unit] <= _BELIEVED_M[1]:
            warnings.append(
                f"it measures {longest * METERS[unit]:.3g} m in {unit}, as stated; if that is wrong, import with --unit"
            )
        if frame.unit is None:
            size = " x ".join(f"{length:.3g}" for length in np.ptp(vertices, axis=0))
            warnings.append(
                f"the file states no unit; read as {unit} ({size} m); import with --unit to correct it"
            )
    if frame.up is None:
        warnings.append("the file states no up axis; read as y up; import with --up to correct it")
    vertices = vertices @ turn(frame.up, frame.front).T
    vertices = (vertices - _center(vertices)).astype(np.float32).astype(np.float64)
    if float(np.ptp(vertices, axis=0).max()) < 5e-5:
        raise BadMesh("the model is smaller than 0.05 mm in metres; import with --unit to say its unit")
    return replace(mesh, vertices=vertices), tuple(warnings)


def _center(vertices: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    low, high = vertices.min(axis=0), vertices.max(axis=0)
    center: npt.NDArray[np.float64] = low + (high - low) / 2
    return center


def _scales(
    extents: npt.NDArray[np.float64], size: tuple[float, float, float], warnings: list[str]
) -> npt.NDArray[np.float64]:
    """(3,) metres a source unit along each axis; a flat axis takes the others' mean."""
    wanted = np.asarray(size, dtype=np.float64)
    usable = (extents > 1e-9 * extents.max()) & (wanted > 0) & np.isfinite(wanted)
    if not usable.any():
        raise BadMesh(f"the stated size {size} has no positive length; correct it in the catalog")
    scales = np.ones(3)
    scales[usable] = wanted[usable] / extents[usable]
    scales[~usable] = np.exp(np.log(scales[usable]).mean())
    if scales.max() > _UNEVEN * scales.min():
        warnings.append(
            f"stretched by up to {scales.max() / scales.min():.2f} to the size its catalog states"
        )
    return scales
