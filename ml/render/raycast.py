"""Ray casting with Embree: no GL, no display, safe in any process (DESIGN: Renderer)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
from embreex.mesh_construction import TriangleMesh
from embreex.rtcore_scene import EmbreeScene
from scipy.spatial import ConvexHull, QhullError

from ml.errors import BadMesh
from ml.geometry.boxes import around
from ml.geometry.cameras import camera_center, in_front, project
from ml.render.surfaces import Surfaces, has_cutouts, is_visible
from ml.types import Array, BoolArray, Box, Camera, FloatArray, Mesh

__all__ = ["GBuffer", "Hits", "RayScene"]

MAX_LAYERS = 5  # cut-out texels a ray passes before it counts as a miss: leaves before leaves
_STEP = 1e-5  # of the depth: how far behind a cut-out texel its ray starts again


@dataclass(frozen=True, slots=True, eq=False)
class GBuffer:
    """What every pixel's central ray meets first.

    normal  (h, w, 3) float32, unit, model frame, facing the camera; 0 where nothing is hit
    albedo  (h, w, 3) uint8 sRGB, texture times base color; 0 where nothing is hit
    part    (h, w) int16, the material's index; -1 where nothing is hit
    depth   (h, w) float32, z in the camera frame, metres; 0 where nothing is hit
    alpha   (h, w) bool, True where something is hit
    """

    normal: npt.NDArray[np.float32]
    albedo: npt.NDArray[np.uint8]
    part: npt.NDArray[np.int16]
    depth: npt.NDArray[np.float32]
    alpha: BoolArray


@dataclass(frozen=True, slots=True, eq=False)
class Hits:
    """The hit pixels of a picture alone: m rows.

    pixel   (m,) int64, ascending, row * width + column
    face    (m,) int32, row of the mesh's faces
    corner  (m, 2) float32, weights of the face's second and third corner
    normal, albedo, depth  as in GBuffer
    """

    pixel: npt.NDArray[np.int64]
    face: npt.NDArray[np.int32]
    corner: npt.NDArray[np.float32]
    normal: npt.NDArray[np.float32]
    albedo: npt.NDArray[np.uint8]
    depth: npt.NDArray[np.float32]


class RayScene:
    """One mesh, ready to be seen from anywhere.

    Parts that are all but transparent (alpha < 0.1) are left out; a mesh of nothing else is
    taken as opaque. Other transparent parts count as opaque, cut-out texels let rays through.

    mesh    as given
    points  (p, 3) float64: the visible vertices on the convex hull, enough for any tight box
    """

    def __init__(self, mesh: Mesh) -> None:
        """Raises BadMesh where there is no face."""
        if not len(mesh.faces):
            raise BadMesh("the model has no faces; export it as triangles")
        shown = is_visible(mesh)
        self.mesh = mesh
        self.points = _outline_points(mesh.vertices[np.unique(mesh.faces[shown])])
        self._faces = np.flatnonzero(shown).astype(np.int32)
        self._has_cutouts = has_cutouts(mesh)
        self._scene = EmbreeScene()
        # the scene reads its geometry's memory: keep the geometry as long as the scene
        self._geometry = TriangleMesh(
            self._scene,
            np.ascontiguousarray(mesh.vertices, dtype=np.float32),
            np.ascontiguousarray(mesh.faces[self._faces], dtype=np.int32),
        )

    @cached_property
    def _surfaces(self) -> Surfaces:
        """Made when colors or normals are first asked for: outlines need none."""
        return Surfaces(self.mesh)

    def cast(self, camera: Camera) -> GBuffer:
        """One ray a pixel, through its center."""
        h, w = camera.height, camera.width
        hits = self.hits(camera)
        normal = np.zeros((h * w, 3), np.float32)
        albedo = np.zeros((h * w, 3), np.uint8)
        part = np.full(h * w, -1, np.int16)
        depth = np.zeros(h * w, np.float32)
        normal[hits.pixel] = hits.normal
        albedo[hits.pixel] = hits.albedo
        part[hits.pixel] = self.mesh.face_material[hits.face]
        depth[hits.pixel] = hits.depth
        return GBuffer(
            normal.reshape(h, w, 3),
            albedo.reshape(h, w, 3),
            part.reshape(h, w),
            depth.reshape(h, w),
            (part >= 0).reshape(h, w),
        )

    def mask(self, camera: Camera) -> BoolArray:
        """(h, w) bool, where something is hit: the silhouette."""
        mask = np.zeros(camera.height * camera.width, np.bool_)
        mask[self._trace(camera).pixel] = True
        return mask.reshape(camera.height, camera.width)

    def hits(self, camera: Camera) -> Hits:
        """The pixels that see the model, and what they see."""
        trace = self._trace(camera)
        colors = self._surfaces.colors(trace.face, trace.corner, trace.depth, _focal(camera))
        normal = self._surfaces.normals(trace.face, trace.corner, trace.direction)
        return Hits(trace.pixel, trace.face, trace.corner, normal, colors, trace.depth)

    def is_blocked(self, origins: npt.NDArray[np.float32], directions: npt.NDArray[np.float32]) -> BoolArray:
        """(n,) whether something lies in a direction (n, 3) from a point (n, 3), model frame: for shadows."""
        found = self._scene.run(
            np.ascontiguousarray(origins, np.float32), np.ascontiguousarray(directions, np.float32)
        )
        blocked: BoolArray = found >= 0
        return blocked

    def distances(
        self, origins: npt.NDArray[np.float32], directions: npt.NDArray[np.float32]
    ) -> npt.NDArray[np.float32]:
        """(n,) along directions (n, 3) from points (n, 3), model frame, in lengths of the direction, to what is
        met first, cut-out texels too; infinite where nothing is."""
        run = self._run(
            np.ascontiguousarray(origins, np.float32), np.ascontiguousarray(directions, np.float32)
        )
        found = np.full(len(origins), np.inf, np.float32)
        found[run.ray] = run.depth
        return found

    def visible_box(self, camera: Camera) -> Box | None:
        """Tight box of the projected model; None where a part is behind the camera."""
        if not in_front(camera, self.points).all():
            return None
        return around(project(camera, self.points))

    def _rays(self, camera: Camera) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float32]]:
        """Pixels (n,) inside the tight box and their directions (n, 3) in the model frame, z = 1 in
        the camera's: a hit's distance along it is its depth."""
        x0, y0, x1, y1 = 0, 0, camera.width, camera.height
        box = self.visible_box(camera)
        if box is not None:
            x0, x1 = max(x0, math.floor(box.x0)), min(x1, math.ceil(box.x1))
            y0, y1 = max(y0, math.floor(box.y0)), min(y1, math.ceil(box.y1))
        columns, rows = np.arange(x0, max(x0, x1)), np.arange(y0, max(y0, y1))
        right, down, forward = camera.camera_from_model[:3, :3]
        along = np.outer(right, (columns + 0.5 - camera.cx) / camera.fx).astype(np.float32)
        across = np.outer(down, (rows + 0.5 - camera.cy) / camera.fy) + forward[:, None]
        directions = np.empty((len(rows), len(columns), 3), np.float32)
        for axis in range(3):
            np.add(across[axis].astype(np.float32)[:, None], along[axis], out=directions[:, :, axis])
        pixel = (rows[:, None] * camera.width + columns[None, :]).reshape(-1)
        return pixel, directions.reshape(-1, 3)

    def _run(self, origins: npt.NDArray[np.float32], directions: npt.NDArray[np.float32]) -> _Run:
        found = self._scene.run(origins, directions, output=True)
        hit = np.flatnonzero(found["geomID"] >= 0)
        corner = np.stack([found["u"].take(hit), found["v"].take(hit)], axis=1)
        return _Run(hit, self._faces.take(found["primID"].take(hit)), corner, found["tfar"].take(hit))

    def _trace(self, camera: Camera) -> _Trace:
        """The first opaque hit of each ray."""
        pixel, directions = self._rays(camera)
        origins = np.broadcast_to(camera_center(camera).astype(np.float32), directions.shape)
        run = self._run(origins, directions)
        trace = _Trace(pixel.take(run.ray), run.face, run.corner, run.depth, directions.take(run.ray, axis=0))
        if not self._has_cutouts:
            return trace
        return self._pass_cutouts(trace, camera)

    def _pass_cutouts(self, trace: _Trace, camera: Camera) -> _Trace:
        """Let the rays that met a cut-out texel go on to what is behind."""
        center, focal = camera_center(camera).astype(np.float32), _focal(camera)
        kept = []
        for _ in range(MAX_LAYERS):
            is_open = self._surfaces.is_open(trace.face, trace.corner, trace.depth, focal)
            kept.append(trace.rows(~is_open))
            trace = trace.rows(is_open)
            if not len(trace.pixel):
                break
            passed = trace.depth * np.float32(1 + _STEP)
            run = self._run(center + trace.direction * passed[:, None], trace.direction)
            direction = trace.direction[run.ray]
            trace = _Trace(trace.pixel[run.ray], run.face, run.corner, passed[run.ray] + run.depth, direction)
        columns = zip(*(layer.columns() for layer in kept), strict=True)
        joined = _Trace(*map(np.concatenate, columns))
        return joined.rows(np.argsort(joined.pixel, kind="stable"))


@dataclass(frozen=True, slots=True, eq=False)
class _Run:
    """ray (m,) rows of the rays that hit; face, corner, depth as in Hits."""

    ray: npt.NDArray[np.int64]
    face: npt.NDArray[np.int32]
    corner: npt.NDArray[np.float32]
    depth: npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class _Trace:
    """pixel, face, corner, depth as in Hits; direction (m, 3) of the ray, model frame."""

    pixel: npt.NDArray[np.int64]
    face: npt.NDArray[np.int32]
    corner: npt.NDArray[np.float32]
    depth: npt.NDArray[np.float32]
    direction: npt.NDArray[np.float32]

    def columns(self) -> tuple[Array, ...]:
        return self.pixel, self.face, self.corner, self.depth, self.direction

    def rows(self, chosen: Array) -> _Trace:
        return _Trace(*(column[chosen] for column in self.columns()))


def _focal(camera: Camera) -> float:
    """Pixels a unit of tangent: the geometric mean of both axes."""
    return math.sqrt(camera.fx * camera.fy)


def _outline_points(vertices: FloatArray) -> npt.NDArray[np.float64]:
    """The convex hull's vertices; all of them where the model is flat or too small for a hull."""
    try:
        hull = ConvexHull(vertices).vertices
    except (QhullError, ValueError):
        hull = np.arange(len(vertices))
    result: npt.NDArray[np.float64] = np.ascontiguousarray(vertices[hull], dtype=np.float64)
    return result
