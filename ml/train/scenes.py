"""Photos of several things that were never taken, with every box and mask known: what a finder learns from.

Objects are our models under random light and color, and real furniture cut from photos with an even
background; they are pasted on photos, plain grounds and drawn rooms, one over another. Half of the scenes are rooms
that were furnished and ray-cast (`ml.train.interiors`), where there are any.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import torch
from scipy import ndimage
from torch import Tensor
from torch.nn import functional

from ml.errors import BadSource
from ml.train.interiors import MOST_OBJECTS, Interiors
from ml.train.pairs import SIDE, PairSet
from ml.train.photos import kept_back
from ml.train.relighting import Composer

__all__ = ["Cutouts", "Scene", "SceneComposer", "load_colors", "load_cutouts"]

OBJECTS = MOST_OBJECTS  # in a scene, at most
PASTED = 4  # of them in a composite
_EVEN = 12.0  # levels the border of a photo may stray by to count as an even background
_OTHER = 14.0  # levels of Lab from the border's color from which a pixel is the object's
_FILL = (0.15, 0.9)  # of its box, by an object that was cut cleanly
_COUNTS = (0.45, 0.3, 0.15, 0.1)  # of composites with one, two, three and four objects
_AROUND = 1.3  # a close scene's picture, in sides of its first object's box
_CLOSE = 0.22  # of a room's picture: the least longer side of an object looked at closely


@dataclass(frozen=True, slots=True, eq=False)
class Cutouts:
    """pixels (n, SIDE, SIDE, 4) uint8 RGB and alpha, the object's box stretched to the square; aspect (n,)
    float32, height / width of that box."""

    pixels: npt.NDArray[np.uint8]
    aspect: npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Scene:
    """pictures  (n, 3, s, s) float32 RGB in [0, 1]
    masks     (n, k, s, s) float32, what is seen of each object; all 0 where there are fewer than k
    boxes     (n, k, 4) float32, x0 y0 x1 y1 of those masks, in [0, s]
    is_there  (n, k) bool
    """

    pictures: Tensor
    masks: Tensor
    boxes: Tensor
    is_there: Tensor


def load_colors(folder: Path, cache: Path, side: int = 192) -> npt.NDArray[np.uint8]:
    """(n, side, side, 3) uint8 RGB: every photo below a folder, its middle square. Cached."""
    if cache.exists():
        kept: npt.NDArray[np.uint8] = np.load(cache, mmap_mode="r")
        return kept
    photos = []
    for path in sorted(folder.rglob("*.jpg")):
        picture = cv2.imread(str(path))
        if picture is None:
            continue
        short = min(picture.shape[:2])
        y, x = (picture.shape[0] - short) // 2, (picture.shape[1] - short) // 2
        square = cv2.resize(picture[y : y + short, x : x + short], (side, side), interpolation=cv2.INTER_AREA)
        photos.append(cv2.cvtColor(square, cv2.COLOR_BGR2RGB))
    pixels = np.stack(photos).astype(np.uint8)
    np.save(cache, pixels)
    return pixels


def load_cutouts(folder: Path, cache: Path) -> Cutouts:
    """Objects of the photos below a folder whose background is even; those its queries.jsonl names are kept
    for evaluation and never read. Cached. Raises BadSource where nothing can be cut."""
    if not cache.exists():
        held = kept_back(folder)
        cut = [
            found
            for path in sorted(folder.rglob("*.jpg"))
            if str(path.relative_to(folder)) not in held and (found := _cut(cv2.imread(str(path))))
        ]
        if not cut:
            raise BadSource(
                f"no photo in {folder} shows one thing on an even background; leave --furniture out"
            )
        pixels, aspect = zip(*cut, strict=True)
        np.savez(cache, pixels=np.stack(pixels), aspect=np.array(aspect, np.float32))
    with np.load(cache) as table:
        return Cutouts(table["pixels"], table["aspect"])


def _cut(picture: npt.NDArray[np.uint8] | None) -> tuple[npt.NDArray[np.uint8], float] | None:
    """RGB and alpha of the object, and its box's aspect; None where it can't be told from the background."""
    if picture is None:
        return None
    lab = cv2.cvtColor(picture, cv2.COLOR_BGR2LAB).astype(np.float32)
    border = np.concatenate([lab[0], lab[-1], lab[:, 0], lab[:, -1]])
    ground = np.median(border, axis=0)
    if np.quantile(np.abs(border - ground).max(axis=1), 0.95) > _EVEN:
        return None
    other = np.linalg.norm(lab - ground, axis=2) > _OTHER
    mask = ndimage.binary_fill_holes(ndimage.binary_opening(other, iterations=1))
    labels, count = ndimage.label(mask)
    if not count:
        return None
    mask = labels == 1 + int(np.argmax(ndimage.sum_labels(mask, labels, range(1, count + 1))))
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    y0, y1, x0, x1 = rows[0], rows[-1] + 1, columns[0], columns[-1] + 1
    if not _FILL[0] <= mask[y0:y1, x0:x1].mean() <= _FILL[1] or min(y1 - y0, x1 - x0) < 24:
        return None
    mask = ndimage.binary_erosion(mask)  # the rim is mixed with the background
    rgba = np.dstack([cv2.cvtColor(picture, cv2.COLOR_BGR2RGB), mask.astype(np.uint8) * 255])
    small = cv2.resize(rgba[y0:y1, x0:x1], (SIDE, SIDE), interpolation=cv2.INTER_AREA)
    return np.asarray(small, np.uint8), float((y1 - y0) / (x1 - x0))


class SceneComposer:
    """Draws scenes. backgrounds: (b, s, s, 3) uint8 RGB photos."""

    def __init__(
        self,
        pairs: PairSet,
        cutouts: Cutouts | None,
        backgrounds: npt.NDArray[np.uint8],
        seed: int,
        interiors: Interiors | None = None,
    ) -> None:
        self._pairs = pairs
        self._interiors = interiors
        self._cutouts = cutouts
        self._backgrounds = backgrounds
        self._rng = np.random.default_rng(seed)
        self._random = torch.Generator().manual_seed(seed)
        self._composer = Composer(torch.zeros(1, SIDE, SIDE, dtype=torch.uint8), seed)

    def scenes(self, n: int, side: int, *, is_close: bool = False) -> Scene:
        """n scenes of side x side pixels, k = OBJECTS. is_close: the first object's box is about the middle
        1 / 1.3 of the picture, as a shopper's box and what is around it."""
        rooms = 0 if self._interiors is None else n // 2
        scene = self._composites(n - rooms, side, is_close=is_close)
        if rooms:
            other = self._rooms(rooms, side, is_close=is_close)
            scene = Scene(
                torch.cat([scene.pictures, other.pictures]),
                torch.cat([scene.masks, other.masks]),
                torch.cat([scene.boxes, other.boxes]),
                torch.cat([scene.is_there, other.is_there]),
            )
        order = torch.randperm(n, generator=self._random)
        return Scene(
            self._camera(scene.pictures[order]),
            scene.masks[order],
            scene.boxes[order],
            scene.is_there[order],
        )

    def _composites(self, n: int, side: int, *, is_close: bool) -> Scene:
        picture = self._ground(n, side)
        count = torch.from_numpy(1 + self._rng.choice(PASTED, n, p=_COUNTS))
        masks = torch.zeros(n, OBJECTS, side, side)
        order = range(PASTED)  # the first is painted first, and may be covered by the others
        whole = torch.zeros(n, OBJECTS)
        for place in order:
            layer = self._layer(n, side, is_close and place == 0, int(place))
            alpha = layer[:, 3:] * (count > place).view(n, 1, 1, 1)
            if is_close and place:
                alpha = alpha * (self._uniform(n, 0, 1) < 0.6).view(n, 1, 1, 1)
            picture = self._shadowed(picture, alpha) * (1 - alpha) + layer[:, :3] * alpha
            masks *= 1 - alpha
            masks[:, place] = alpha[:, 0]
            whole[:, place] = alpha.sum(dim=(1, 2, 3))
        return _seen(picture, masks, whole)

    # ---- rooms --------------------------------------------------------------------------------

    def _rooms(self, n: int, side: int, *, is_close: bool) -> Scene:
        """Windows of rooms, mirrored at times; is_close: about one of their objects, which then is the first."""
        assert self._interiors is not None
        at = np.sort(self._rng.integers(len(self._interiors.objects), size=n))
        picture = torch.from_numpy(self._interiors.pictures[at]).permute(0, 3, 1, 2).float() / 255
        objects = torch.from_numpy(self._interiors.objects[at])
        masks = (objects[:, None] == torch.arange(1, OBJECTS + 1).view(1, OBJECTS, 1, 1)).float()
        if is_close:
            masks = self._first_chosen(masks)
            scale, center = self._close_window(_boxes(masks[:, :1] > 0.5)[:, 0] / objects.shape[-1] * 2 - 1)
        else:
            zoom = self._uniform(n, 0.6, 1.0)
            scale = zoom[:, None].expand(n, 2)
            center = self._uniform(2 * n, -1, 1).view(n, 2) * (1 - zoom)[:, None]
        theta = torch.zeros(n, 2, 3)
        theta[:, 0, 0] = scale[:, 0] * torch.where(self._uniform(n, 0, 1) < 0.5, -1.0, 1.0)
        theta[:, 1, 1] = scale[:, 1]
        theta[:, :, 2] = center
        grid = functional.affine_grid(theta, [n, 1, side, side], align_corners=False)
        shown = functional.grid_sample(picture, grid, padding_mode="border", align_corners=False)
        seen = functional.grid_sample(masks, grid, align_corners=False)
        larger = (side / objects.shape[-1]) ** 2 / scale.prod(dim=1, keepdim=True)
        return _seen(shown, seen, masks.sum(dim=(2, 3)) * larger)

    def _first_chosen(self, masks: Tensor) -> Tensor:
        """The objects in another order: one that is large enough, if any is, is the first."""
        boxes = _boxes(masks > 0.5)
        sides = (boxes[..., 2:] - boxes[..., :2]).amax(dim=2)
        liked = (sides >= _CLOSE * masks.shape[-1]) + 0.5 * (sides > 0)
        order = (liked + 0.4 * torch.rand(liked.shape, generator=self._random)).argsort(
            dim=1, descending=True
        )
        return masks.gather(1, order[..., None, None].expand_as(masks))

    def _close_window(self, box: Tensor) -> tuple[Tensor, Tensor]:
        """Half sides and centers (n, 2) of the pictures about boxes (n, 4), all in [-1, 1]; boxes are a little off."""
        n = len(box)
        half = (box[:, 2:] - box[:, :2]) / 2
        off = torch.exp(self._uniform(2 * n, -0.1, 0.14).view(n, 2))
        center = (box[:, 2:] + box[:, :2]) / 2 + self._uniform(2 * n, -0.06, 0.06).view(n, 2) * 2 * half
        return (half * _AROUND * off).clamp(min=0.02), center

    # ---- objects ------------------------------------------------------------------------------

    def _layer(self, n: int, side: int, is_close: bool, place: int) -> Tensor:
        """(n, 4, side, side) RGB and alpha of one object a scene."""
        source, aspect = self._sources(n)
        aspect = aspect * torch.exp(self._uniform(n, -0.1, 0.1))
        if is_close:
            width = height = 1 / _AROUND * torch.exp(self._uniform(n, -0.12, 0.08))
            height = height * torch.exp(self._uniform(n, -0.12, 0.12))
            center = self._uniform(2 * n, -0.06, 0.06).view(n, 2)
        else:
            longest = torch.exp(self._uniform(n, np.log(0.2), np.log(0.95)))
            longest = torch.where(
                (self._uniform(n, 0, 1) < 0.4) & (place == 0), self._uniform(n, 0.6, 1.0), longest
            )
            height = longest * aspect.clamp(max=1.0)
            width = longest / aspect.clamp(min=1.0)
            room = torch.stack([1 - width, 1 - height], dim=1) + 0.12  # a little may lie outside
            center = self._uniform(2 * n, -1, 1).view(n, 2) * room
        mirror = torch.where(self._uniform(n, 0, 1) < 0.5, -1.0, 1.0)
        theta = torch.zeros(n, 2, 3)
        theta[:, 0, 0], theta[:, 1, 1] = mirror / width, 1 / height
        theta[:, 0, 2] = -center[:, 0] * mirror / width
        theta[:, 1, 2] = -center[:, 1] / height
        skew = self._uniform(n, -0.08, 0.08)
        theta[:, 0, 1] = skew / width
        grid = functional.affine_grid(theta, [n, 1, side, side], align_corners=False)
        return functional.grid_sample(source, grid, align_corners=False)

    def _sources(self, n: int) -> tuple[Tensor, Tensor]:
        """(n, 4, SIDE, SIDE) RGB and alpha, and the aspects they are to be shown at."""
        real = 0 if self._cutouts is None else int(self._rng.binomial(n, 0.3))
        rows = self._rng.integers(len(self._pairs.model), size=n - real)
        buffers = torch.from_numpy(self._pairs.queries[np.sort(rows)])
        gray, alpha = self._composer.light(buffers, torch.from_numpy(self._pairs.up[np.sort(rows)]))
        part = buffers[..., 4].long()
        drawn = [torch.cat([self._tinted(gray, part), alpha[:, None]], dim=1)]
        aspects = [torch.exp(self._uniform(n - real, np.log(0.4), np.log(2.4)))]
        if self._cutouts is not None and real:
            at = self._rng.integers(len(self._cutouts.aspect), size=real)
            pixels = torch.from_numpy(self._cutouts.pixels[at]).permute(0, 3, 1, 2).float() / 255
            gain = torch.exp(self._uniform(real, -0.4, 0.15)).view(real, 1, 1, 1)
            pixels[:, :3] = (pixels[:, :3] * gain * self._tint(real, 0.1)).clamp_(0, 1)
            drawn.append(pixels)
            aspects.append(torch.from_numpy(self._cutouts.aspect[at]))
        order = torch.randperm(n, generator=self._random)
        return torch.cat(drawn)[order], torch.cat(aspects)[order]

    def _tinted(self, gray: Tensor, part: Tensor) -> Tensor:
        """(n, 3, h, w): every part in a color of its own, as bright as it was."""
        n = len(gray)
        strong = self._uniform(n, -0.5, 1.0).clamp_(min=0).view(n, 1, 1)
        color = 1 + strong * (torch.rand(n, 256, 3, generator=self._random) * 2 - 1) * 0.8
        color = color / color.mean(dim=2, keepdim=True)
        shown = color.gather(1, part.flatten(1)[..., None].expand(-1, -1, 3)).view(*part.shape, 3)
        return (gray[:, None] * shown.permute(0, 3, 1, 2)).clamp_(0, 1)

    # ---- around them --------------------------------------------------------------------------

    def _ground(self, n: int, side: int) -> Tensor:
        at = np.sort(self._rng.integers(len(self._backgrounds), size=n))
        photo = (
            torch.from_numpy(np.ascontiguousarray(self._backgrounds[at])).permute(0, 3, 1, 2).float() / 255
        )
        scale = self._uniform(n, 0.35, 1.0)
        theta = torch.zeros(n, 2, 3)
        theta[:, 0, 0] = scale * torch.where(self._uniform(n, 0, 1) < 0.5, -1.0, 1.0)
        theta[:, 1, 1] = scale
        theta[:, :, 2] = self._uniform(2 * n, -1, 1).view(n, 2) * (1 - scale)[:, None]
        grid = functional.affine_grid(theta, [n, 1, side, side], align_corners=False)
        photo = functional.grid_sample(photo, grid, padding_mode="border", align_corners=False)
        kind = self._uniform(n, 0, 1).view(n, 1, 1, 1)
        room = self._room(n, side)
        plain = self._uniform(n, 0.3, 1.4).clamp_(max=1).view(n, 1, 1, 1) * self._tint(n, 0.06)
        slope = torch.linspace(-1, 1, side).view(1, 1, side, 1) * self._uniform(n, -0.2, 0.2).view(n, 1, 1, 1)
        plain = (plain + slope).clamp(0, 1).expand(n, 3, side, side)
        return torch.where(kind < 0.45, photo, torch.where(kind < 0.75, room, plain))

    def _room(self, n: int, side: int) -> Tensor:
        """A wall over a floor, either grained, with a line between them that need not be level."""
        ramp = torch.linspace(-1, 1, side)
        edge = self._uniform(n, -0.5, 0.7).view(n, 1, 1) + self._uniform(n, -0.3, 0.3).view(n, 1, 1) * ramp
        below = (ramp.view(1, side, 1) > edge)[:, None].float()
        return self._paint(n, side) * (1 - below) + self._paint(n, side) * below

    def _paint(self, n: int, side: int) -> Tensor:
        base = self._uniform(n, 0.15, 0.95).view(n, 1, 1, 1) * self._tint(n, 0.2)
        shape = (int(self._rng.integers(2, 24)), int(self._rng.integers(2, 24)))
        noise = torch.rand(n, 1, *shape, generator=self._random) * 2 - 1
        grain = functional.interpolate(noise, size=(side, side), mode="bilinear")
        strong = self._uniform(n, -0.15, 0.35).clamp_(min=0).view(n, 1, 1, 1)
        return (base * (1 + strong * grain)).clamp(0, 1)

    def _shadowed(self, picture: Tensor, alpha: Tensor) -> Tensor:
        reach = max(3, picture.shape[-1] // 14) | 1
        rows = functional.avg_pool2d(alpha, (reach, 1), stride=1, padding=(reach // 2, 0))
        soft = functional.avg_pool2d(rows, (1, reach), stride=1, padding=(0, reach // 2))
        down = functional.pad(soft, (0, 0, reach // 3, 0))[:, :, : picture.shape[2]]
        strength = self._uniform(len(picture), -0.3, 0.6).clamp_(min=0).view(-1, 1, 1, 1)
        return picture * (1 - strength * down)

    def _camera(self, picture: Tensor) -> Tensor:
        """Blur, white balance, exposure, noise."""
        n, side = len(picture), picture.shape[-1]
        half = n // 2
        small = int(self._rng.integers(side // 2, side))
        coarse = functional.interpolate(picture[:half], size=(small, small), mode="area")
        fine = functional.interpolate(coarse, size=(side, side), mode="bilinear")
        picture = torch.cat([fine, picture[half:]]) * self._tint(n, 0.08)
        return self._composer.exposed(picture)

    def _tint(self, n: int, spread: float) -> Tensor:
        return 1 + (torch.rand(n, 3, 1, 1, generator=self._random) * 2 - 1) * spread

    def _uniform(self, n: int, low: float, high: float) -> Tensor:
        return torch.rand(n, generator=self._random) * (high - low) + low


def _seen(picture: Tensor, masks: Tensor, whole: Tensor) -> Scene:
    """whole (n, k): pixels of each object were nothing before it."""
    is_there = (masks.sum(dim=(2, 3)) > 0.4 * whole) & (whole > 0)
    boxes = _boxes(masks > 0.5)
    is_there &= (boxes[..., 2:] - boxes[..., :2]).amin(dim=2) >= picture.shape[-1] / 16
    return Scene(picture, masks, boxes, is_there)


def _boxes(masks: Tensor) -> Tensor:
    """(n, k, h, w) bool -> (n, k, 4) edges; all 0 where a mask is empty."""
    edges = []
    for across in (2, 3):  # rows collapsed: columns; columns collapsed: rows
        line = masks.any(dim=across)
        size = line.shape[-1]
        steps = torch.arange(size)
        low = torch.where(line, steps, size).amin(dim=-1)
        high = torch.where(line, steps + 1, 0).amax(dim=-1)
        edges.append((torch.where(high > 0, low, 0), high))
    (x0, x1), (y0, y1) = edges
    return torch.stack([x0, y0, x1, y1], dim=-1).float()
