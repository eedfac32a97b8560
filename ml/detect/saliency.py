"""Objects as what stands out from the photo's border: proposals without a network.

Geodesic saliency (Wei et al., ECCV 2012): a pixel is as salient as the cheapest path to it from the border,
where a path costs the color steps it takes. It is exact on a plain background and fails, as it must, on an
object that fills the photo; the caller then takes the whole photo.
"""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt
from scipy import ndimage, sparse
from scipy.sparse import csgraph

from ml.detect.suppression import suppress, without_parts
from ml.types import Box, Detection, Photo

__all__ = ["SaliencyDetector", "saliency"]

SIDE = 96  # pixels of the longer side the photo is shrunk to
NOISE = 2.0  # Lab steps below this cost nothing: sensor noise and soft shadows
LEAST_CONTRAST = 8.0  # in Lab; a path costing less than this everywhere leads to no object
LEVELS = (0.1, 0.2, 0.35, 0.5)  # of the strongest saliency, at which regions are cut out
LEAST_AREA = 0.01  # of the photo, for a region
MOST = 12  # detections returned
WHOLE = 0.95  # a box covering more of the photo than this says nothing

FloatMap = npt.NDArray[np.float32]


class SaliencyDetector:
    def detect(self, photo: Photo) -> list[Detection]:
        """Best first; no two overlap by an IoU above 0.5; empty where nothing stands out."""
        salient, strength = saliency(photo)
        if strength < LEAST_CONTRAST:
            return []
        found: list[Detection] = []
        for level in LEVELS:
            found += _regions(salient, level, photo)
        return without_parts(suppress(found))[:MOST]


def saliency(photo: Photo) -> tuple[FloatMap, float]:
    """(h', w') float32 in [0, 1] at a longer side of 96 px, and the Lab distance that 1 stands for."""
    scale = min(1.0, SIDE / max(photo.width, photo.height))
    size = (max(8, round(photo.width * scale)), max(8, round(photo.height * scale)))
    small = cv2.resize(photo.pixels, size, interpolation=cv2.INTER_AREA)
    small = cv2.bilateralFilter(small, 5, 20.0, 2.0)
    lab = cv2.cvtColor(small.astype(np.float32) / 255.0, cv2.COLOR_RGB2LAB).reshape(-1, 3)
    width, height = size
    index = np.arange(width * height).reshape(height, width)
    starts = np.concatenate([index[:, :-1].ravel(), index[:-1].ravel()])
    ends = np.concatenate([index[:, 1:].ravel(), index[1:].ravel()])
    steps = np.maximum(np.linalg.norm(lab[starts] - lab[ends], axis=1) - NOISE, 0.0)
    # Zero entries are no edges to a sparse graph, hence the small constant; it also prices length.
    graph = sparse.csr_matrix((steps + 0.02, (starts, ends)), shape=(width * height, width * height))
    border = np.unique(np.concatenate([index[0], index[-1], index[:, 0], index[:, -1]]))
    costs = csgraph.dijkstra(graph, directed=False, indices=border, min_only=True)
    costs = np.asarray(costs, dtype=np.float32).reshape(height, width)
    strength = float(np.quantile(costs, 0.995))
    return np.clip(costs / max(strength, 1e-6), 0.0, 1.0), strength


def _regions(salient: FloatMap, level: float, photo: Photo) -> list[Detection]:
    """Connected regions at one level, as boxes in the photo."""
    mask = ndimage.binary_closing(np.pad(salient >= level, 3), iterations=1)[3:-3, 3:-3]
    labels, count = ndimage.label(mask, structure=np.ones((3, 3)))
    height, width = salient.shape
    scale_x, scale_y = photo.width / width, photo.height / height
    found = []
    for label, where in enumerate(ndimage.find_objects(labels, max_label=count), start=1):
        rows, columns = where
        box = Box(columns.start * scale_x, rows.start * scale_y, columns.stop * scale_x, rows.stop * scale_y)
        inside = labels[where] == label
        if inside.sum() < LEAST_AREA * width * height or box.area > WHOLE * photo.width * photo.height:
            continue
        found.append(Detection(box, _score(salient[where], inside, box, photo)))
    return found


def _score(salient: FloatMap, inside: npt.NDArray[np.bool_], box: Box, photo: Photo) -> float:
    """In [0, 1]: how strongly the region stands out, how well it fills its box, how large it is."""
    contrast = float(salient[inside].mean())
    fill = float(inside.mean())
    size = min(1.0, box.area / (photo.width * photo.height))
    return float(contrast**0.5 * (0.5 + 0.5 * fill) * size**0.5)
