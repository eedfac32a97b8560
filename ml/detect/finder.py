"""Objects in a photo by our own network, trained on scenes we draw: proposals that know no class.

Of the things found, that is first which the photo seems to be of: a chair rather than its seat, what stands in the
middle rather than what is cut off beside it (`docs/adr/0015-what-a-photo-is-of.md`).

On an even background, as shops have it, what stands out is the object, and its outline is exact: there
saliency has the first word, and the network's boxes of its parts are left out.
"""

from __future__ import annotations

import math

import cv2
import numpy as np
import numpy.typing as npt
import torch
from torchvision.ops import nms

from ml.detect.choosing import CLOSE
from ml.detect.networks import decoded, load_network
from ml.detect.saliency import SaliencyDetector
from ml.detect.suppression import OVERLAP, suppress, without_parts
from ml.detect.tightening import tightened
from ml.embed.fusing import fused
from ml.types import Box, Detection, Photo

__all__ = ["FinderDetector"]

# pixels of the photo's longer side, as the network sees it: once for what fills it, once for less
SIDES = (160, 224)
LEAST = 0.2  # score of a proposal
LARGE = 2.0  # log-odds that a thing gains by its share of the photo's sides
ASIDE = 4.0  # and loses by the way of its middle from the photo's; 1 is the edge
MOST = 8  # detections returned: those the photo seems to be of
SURE = 0.9  # score of what stands out from an even background
EVEN = 25.0  # levels nine in ten of the border's pixels may stray by from its median
_STEP = 32  # pixels: the network's coarsest stride


class FinderDetector:
    def __init__(self) -> None:
        """Raises WeightsMissing."""
        self._network = fused(load_network("finder"))
        self._saliency = SaliencyDetector()

    def detect(self, photo: Photo) -> list[Detection]:
        """Best first; no two overlap by an IoU above 0.5; empty where nothing is found."""
        proposals = self._proposals(photo)
        proposals.sort(key=lambda one: _score_as_subject(one.score, one.box, photo), reverse=True)
        found = proposals[:MOST]
        boxes = tightened(photo, [one.box for one in found])
        found = [
            Detection(box, _score_as_subject(one.score, box, photo))
            for one, box in zip(found, boxes, strict=True)
        ]
        if _has_even_border(photo.pixels):
            found += [Detection(one.box, max(SURE, one.score)) for one in self._saliency.detect(photo)]
        return without_parts(suppress(found), clearly=CLOSE)[:MOST]

    def _proposals(self, photo: Photo) -> list[Detection]:
        found = [self._seen_at(photo, side) for side in SIDES]
        edges, scores = (torch.cat(parts) for parts in zip(*found, strict=True))
        return [
            Detection(Box(*map(float, edges[k])), float(scores[k]))
            for k in nms(edges, scores, OVERLAP)
            if (edges[k, 2:] > edges[k, :2]).all()
        ]

    def _seen_at(self, photo: Photo, side: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Boxes (n, 4) in the photo's pixels and their scores (n,), of the photo and its mirror image together."""
        picture, scale = _fitted(photo.pixels, side)
        pixels = torch.from_numpy(picture).permute(2, 0, 1)[None].float() / 255
        with torch.inference_mode():
            seen, mirrored = self._network(torch.cat([pixels, pixels.flip(3)])).split(1)
            # of a mirrored box left is right: channels are a score and the ways to left, top, right, bottom
            answer = 0.5 * (seen + mirrored.flip(3)[:, [0, 3, 2, 1, 4]])
            logits, boxes = decoded(answer, self._network.shape.stride)
        scores = logits[0].sigmoid()
        chosen = torch.nonzero(scores >= LEAST)[:, 0]
        edges = boxes[0, chosen] / scale
        edges[:, 0::2] = edges[:, 0::2].clamp(0, photo.width)
        edges[:, 1::2] = edges[:, 1::2].clamp(0, photo.height)
        return edges, scores[chosen]


def _score_as_subject(score: float, box: Box, photo: Photo) -> float:
    """What a photo is taken of is large and about its middle: a part of it, or what stands behind, is less so."""
    across = (box.x0 + box.x1) / photo.width - 1
    down = (box.y0 + box.y1) / photo.height - 1
    share = math.sqrt(box.area / (photo.width * photo.height))
    odds = score / max(1 - score, 1e-6) * math.exp(LARGE * share - ASIDE * math.hypot(across, down))
    return odds / (1 + odds)


def _has_even_border(pixels: npt.NDArray[np.uint8]) -> bool:
    border = np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]]).astype(np.float32)
    away = np.abs(border - np.median(border, axis=0)).max(axis=1)
    return bool(np.quantile(away, 0.9) <= EVEN)


def _fitted(pixels: npt.NDArray[np.uint8], side: int) -> tuple[npt.NDArray[np.uint8], float]:
    """The photo at the network's size, its last rows and columns repeated up to whole steps; and the scale."""
    height, width = pixels.shape[:2]
    scale = side / max(height, width)
    size = max(1, round(width * scale)), max(1, round(height * scale))
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    small = cv2.resize(pixels, size, interpolation=how)
    below, right = -small.shape[0] % _STEP, -small.shape[1] % _STEP
    padded = cv2.copyMakeBorder(small, 0, below, 0, right, cv2.BORDER_REPLICATE)
    return np.asarray(padded, np.uint8), scale
