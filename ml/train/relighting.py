"""G-buffers -> photos that were never taken: light, color, texture, background, occlusion, blur, noise.

All by the batch in torch, so that every step sees new pictures of the same renders (DESIGN: "relit by the
batch"). Gray throughout: the network sees no color.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from ml.train.pairs import NO_PART, SIDE

__all__ = ["Composer", "Randomness", "jittered"]


@dataclass(frozen=True, slots=True)
class Randomness:
    """How far the composites stray. Shares are probabilities a picture."""

    keep_albedo: float = 0.5  # the catalog's own materials; else every part gets a random gray
    plain_background: float = 0.25  # white, gray or a gradient, as in a shop's photo
    clutter: float = 0.4  # another object before or behind
    occluder: float = 0.3  # a patch of photo over an edge of the object
    shrink: float = 0.2  # the box's largest error: scale and shift of its edges
    shift: float = 0.08
    exact: float = 0.2  # share of it that the best box has
    blur: float = 0.5
    coarse: float = 0.15  # taken down to a small photo and up again
    noise: float = 0.025


class Composer:
    """Draws composites. backgrounds: (b, S, S) uint8 gray photos, S >= SIDE."""

    def __init__(self, backgrounds: Tensor, seed: int, randomness: Randomness | None = None) -> None:
        self._backgrounds = backgrounds
        self._random = torch.Generator().manual_seed(seed)
        self._how = randomness or Randomness()

    def compose(self, queries: Tensor, up: Tensor) -> Tensor:
        """(n, SIDE, SIDE, 5) uint8 as in `PairSet`, up (n, 3) -> (n, 1, SIDE, SIDE) float32 in [0, 1]."""
        shaded, alpha = self.light(queries, up)
        scale, shift = self._box_error(len(queries))
        skew = self._uniform(2 * len(queries), -0.04, 0.04).view(-1, 2)
        layers = _warped(torch.stack([shaded * alpha, alpha], dim=1), scale, shift, skew)
        picture = self._background(len(queries))
        picture = self._contact_shadow(picture, layers[:, 1:])
        other, is_front = self._clutter(layers)
        picture = _over(other * (1 - is_front), picture)
        picture = _over(layers, picture)
        picture = _over(other * is_front, picture)
        return self._camera(self._occlude(picture))

    def sighted(self, crops: Tensor, box_share: float) -> Tensor:
        """(n, S, S) uint8 gray crops of rooms, of whose side an exact box takes `box_share` ->
        (n, 1, SIDE, SIDE) float32 in [0, 1], as a shopper's box and camera may give them."""
        scale, shift = self._box_error(len(crops))
        scale = scale * box_share
        picture = jittered(crops[:, None].float() / 255, scale, shift * scale)
        return self._camera(self._occlude(picture))

    # ---- the object ---------------------------------------------------------------------------

    def light(self, queries: Tensor, up: Tensor) -> tuple[Tensor, Tensor]:
        """Shaded gray and alpha, (n, SIDE, SIDE) each, before the object is placed."""
        n = len(queries)
        normal = queries[..., :3].contiguous().view(torch.int8).float().permute(0, 3, 1, 2) / 127
        part = queries[..., 4].long()
        alpha = (part != NO_PART).float()
        albedo = self._albedo(queries[..., 3].float() / 255, part)
        light = self._uniform(n, 0.2, 0.65)[:, None, None].expand(n, SIDE, SIDE).clone()
        sky = torch.einsum("nchw,nc->nhw", normal, up)
        light += sky * self._uniform(n, 0.0, 0.22)[:, None, None]
        for share in (1.0, 0.4):  # a key light, sometimes a second
            toward = torch.randn(n, 3, generator=self._random)
            toward[:, 2] = -toward[:, 2].abs() - 0.15  # from the camera's side
            toward[:, 1] -= 0.4  # lamps and windows are above more often than below
            toward = functional.normalize(toward, dim=1)
            strength = self._uniform(n, 0.1, 0.65) * (self._uniform(n, 0, 1) < share)
            light += torch.einsum("nchw,nc->nhw", normal, toward).clamp_(min=0) * strength[:, None, None]
        shaded = (albedo * light).clamp_(0, 1)
        return shaded, alpha

    def _albedo(self, own: Tensor, part: Tensor) -> Tensor:
        n = len(own)
        table = self._uniform(n * 256, 0.04, 1.0).view(n, 256)
        drawn = table.gather(1, part.flatten(1)).view_as(own)
        keep = (self._uniform(n, 0, 1) < self._how.keep_albedo).float()
        mixed = torch.where(self._uniform(n, 0, 1) < 0.3, self._uniform(n, 0, 1), keep)[:, None, None]
        albedo = mixed * own + (1 - mixed) * drawn
        gain = self._uniform(n, 0.7, 1.25)[:, None, None]
        texture = self._waves(n) * (self._uniform(n, -0.2, 0.45).clamp_(min=0))[:, None, None]
        return ((albedo * gain + 0.03) * (1 + texture)).clamp_(0, 1.2)

    def _waves(self, n: int) -> Tensor:
        """(n, SIDE, SIDE) low-frequency noise in [-1, 1]."""
        side = int(torch.randint(3, 20, (1,), generator=self._random))
        noise = torch.rand(n, 1, side, side, generator=self._random) * 2 - 1
        return functional.interpolate(noise, size=(SIDE, SIDE), mode="bilinear")[:, 0]

    def _box_error(self, n: int) -> tuple[Tensor, Tensor]:
        """Scale and shift (n, 2) of a crop's two axes, each by itself; some boxes are drawn better than others."""
        far = self._uniform(n, self._how.exact, 1.0)[:, None]
        shrink, shift = self._how.shrink * far, self._how.shift * far
        scale = torch.exp(self._uniform(2 * n, -0.7, 1.3).view(n, 2) * shrink)
        return scale, self._uniform(2 * n, -2, 2).view(n, 2) * shift

    # ---- around the object --------------------------------------------------------------------

    def _background(self, n: int) -> Tensor:
        which = torch.randint(len(self._backgrounds), (n,), generator=self._random)
        room = self._backgrounds.shape[1] - SIDE
        x, y = (int(torch.randint(room + 1, (1,), generator=self._random)) for _ in "xy")
        photo = self._backgrounds[which, y : y + SIDE, x : x + SIDE].float()[:, None] / 255
        plain = self._uniform(n, 0.3, 1.3).clamp_(max=1)[:, None, None, None].expand_as(photo)
        slope = self._uniform(2 * n, -0.25, 0.25).view(n, 2, 1, 1)
        ramp = torch.linspace(-1, 1, SIDE)
        plain = (
            plain + slope[:, :1] * ramp.view(1, 1, SIDE, 1) + slope[:, 1:] * ramp.view(1, 1, 1, SIDE) * 0.4
        )
        is_plain = (self._uniform(n, 0, 1) < self._how.plain_background)[:, None, None, None]
        return torch.where(is_plain, plain, photo).clamp_(0, 1)

    def _contact_shadow(self, picture: Tensor, alpha: Tensor) -> Tensor:
        n = len(picture)
        rows = functional.avg_pool2d(alpha, (13, 1), stride=1, padding=(6, 0))  # one axis at a time: cheaper
        soft = functional.avg_pool2d(rows, (1, 13), stride=1, padding=(0, 6))
        down = functional.pad(soft, (0, 0, 5, 0))[:, :, :SIDE]
        strength = self._uniform(n, -0.3, 0.5).clamp_(min=0)[:, None, None, None]
        return picture * (1 - strength * down)

    def _clutter(self, layers: Tensor) -> tuple[Tensor, Tensor]:
        """Another object of the batch at the border, and whether it stands in front."""
        n = len(layers)
        angle = self._uniform(n, 0, 6.2832)
        far = self._uniform(n, 0.9, 1.7)
        move = torch.stack([angle.cos() * far, angle.sin() * far], dim=1)
        scale = torch.exp(self._uniform(n, -0.5, 0.3))[:, None].expand(n, 2)
        other = _warped(layers.roll(1 + n // 3, 0), scale, move, torch.zeros(n, 2))
        is_there = (self._uniform(n, 0, 1) < self._how.clutter).float()[:, None, None, None]
        is_front = (self._uniform(n, 0, 1) < 0.5).float()[:, None, None, None]
        return other * is_there, is_front

    def _occlude(self, picture: Tensor) -> Tensor:
        """A patch of photo over a border strip of up to a third of the crop."""
        n = len(picture)
        patch = self._background(n)
        ramp = torch.linspace(0, 1, SIDE)
        depth = self._uniform(n, 0.05, 0.33)[:, None, None]
        low = self._uniform(n, 0, 0.6)[:, None, None]
        high = low + self._uniform(n, 0.2, 0.7)[:, None, None]
        across, along = ramp.view(1, SIDE, 1), ramp.view(1, 1, SIDE)
        strip = (across < depth) & (along > low) & (along < high)
        turns = torch.randint(4, (1,), generator=self._random)
        strip = torch.rot90(strip, int(turns), (1, 2))[:, None]
        chosen = (self._uniform(n, 0, 1) < self._how.occluder)[:, None, None, None]
        return torch.where(strip & chosen, patch, picture)

    # ---- the camera ---------------------------------------------------------------------------

    def _camera(self, picture: Tensor) -> Tensor:
        n = len(picture)
        if float(self._uniform(1, 0, 1)) < 2 * self._how.coarse:
            half = n // 2
            side = int(torch.randint(36, 80, (1,), generator=self._random))
            small = functional.interpolate(picture[:half], size=(side, side), mode="area")
            fine = functional.interpolate(small, size=(SIDE, SIDE), mode="bilinear")
            picture = torch.cat([fine, picture[half:]])
        soft = functional.avg_pool2d(functional.pad(picture, (1, 1, 1, 1), mode="replicate"), 3, stride=1)
        sharp = self._uniform(n, -1, 2 * self._how.blur).clamp_(0, 1)[:, None, None, None]
        picture = picture + sharp * (soft - picture)
        return self.exposed(picture)

    def exposed(self, picture: Tensor) -> Tensor:
        """(n, 1, h, w) with random contrast, brightness, gamma and noise, in [0, 1]."""
        n = len(picture)
        shape = (n, 1, 1, 1)
        picture = picture.clamp(1e-3, 1) ** torch.exp(self._uniform(n, -0.3, 0.3)).view(shape)
        picture = (picture - 0.5) * self._uniform(n, 0.75, 1.25).view(shape) + 0.5
        picture = picture + self._uniform(n, -0.1, 0.1).view(shape)
        noise = torch.randn(picture.shape, generator=self._random)
        picture = picture + noise * self._uniform(n, 0, self._how.noise).view(shape)
        return picture.clamp_(0, 1)

    def jittered_photos(self, photos: Tensor) -> Tensor:
        """(n, S, S) uint8 gray photos, S > SIDE -> (n, 1, SIDE, SIDE), cropped, mirrored and exposed anew."""
        n = len(photos)
        margin = 1 - SIDE / photos.shape[1]
        scale = self._uniform(2 * n, 1 - 2 * margin, 1.0).view(n, 2)
        shift = self._uniform(2 * n, -1, 1).view(n, 2) * (1 - scale)
        mirror = torch.where(self._uniform(n, 0, 1) < 0.5, -1.0, 1.0)
        scale = torch.stack([scale[:, 0] * mirror, scale[:, 1]], dim=1)
        return self.exposed(jittered(photos[:, None].float() / 255, scale, shift))

    def patches(self, photos: Tensor) -> Tensor:
        """(n, S, S) uint8 gray photos -> (n, 1, SIDE, SIDE): a part of each, of any place and proportions."""
        n = len(photos)
        scale = self._uniform(2 * n, 0.3, 1.0).view(n, 2)
        shift = self._uniform(2 * n, -1, 1).view(n, 2) * (1 - scale)
        return self.exposed(jittered(photos[:, None].float() / 255, scale, shift))

    def _uniform(self, n: int, low: float, high: float) -> Tensor:
        return torch.rand(n, generator=self._random) * (high - low) + low


def jittered(pictures: Tensor, scale: Tensor, shift: Tensor) -> Tensor:
    """(n, c, h, w) -> (n, c, SIDE, SIDE): output coordinates times scale (n, 2) plus shift (n, 2), in [-1, 1]."""
    theta = torch.zeros(len(pictures), 2, 3)
    theta[:, 0, 0], theta[:, 1, 1] = scale[:, 0], scale[:, 1]
    theta[:, :, 2] = shift
    grid = functional.affine_grid(theta, [len(pictures), 1, SIDE, SIDE], align_corners=False)
    return functional.grid_sample(pictures, grid, padding_mode="border", align_corners=False)


def _over(layers: Tensor, picture: Tensor) -> Tensor:
    """Premultiplied gray and alpha (n, 2, h, w) over a picture (n, 1, h, w)."""
    return layers[:, :1] + picture * (1 - layers[:, 1:])


def _warped(layers: Tensor, scale: Tensor, shift: Tensor, skew: Tensor) -> Tensor:
    theta = torch.zeros(len(layers), 2, 3)
    theta[:, 0, 0], theta[:, 1, 1] = scale[:, 0], scale[:, 1]
    theta[:, 0, 1], theta[:, 1, 0] = skew[:, 0], skew[:, 1]
    theta[:, :, 2] = shift
    grid = functional.affine_grid(theta, list(layers[:, :1].shape), align_corners=False)
    return functional.grid_sample(layers, grid, align_corners=False)
