"""A match as one HTML file that works with no server: photo, model and our viewer are in it."""

from __future__ import annotations

import base64
from pathlib import Path

from django.contrib.staticfiles import finders
from django.template.loader import render_to_string
from django.utils.safestring import mark_safe

from catalog import media, storage
from catalog.errors import NotPossible
from catalog.models import Search

__all__ = ["match_page"]

SCRIPT = "dist/match.js"


def match_page(search: Search, rank: int = 1) -> str:
    """Raises NotPossible where there is no such answer, no fitted pose, or a file is gone."""
    result = search.results.select_related("product__catalog", "asset").filter(rank=rank).first()
    if result is None or not result.pose:
        raise NotPossible(
            f"answer {rank} of this search has no fitted pose; choose one that is laid over the photo"
        )
    photo = search.photos.select_related("photo").get(position=result.photo_index).photo
    script = finders.find(SCRIPT)
    if not script:
        raise NotPossible("the viewer is not built; run make run once")
    product, pose = result.product, result.pose
    try:
        picture = media.read_photo(storage.photo_picture(photo.uuid)).data
        model = (media.asset_files(result.asset.hash, "model.glb") / "model.glb").read_bytes()
    except OSError as error:
        raise NotPossible(f"{Path(error.filename).name} is not there any more; search again") from error
    context = {
        "name": product.name,
        "photo": _data(picture, "image/jpeg"),
        "facts": [
            ("Catalog", product.catalog.name),
            ("Size", product.size_text or "not known"),
            ("Match", f"{result.confidence} ({result.calibrated:+.2f})"),
            ("Seen from", f"{pose['azimuth_deg']:.0f}° around, {pose['elevation_deg']:.0f}° above"),
            *([("Creator", product.creator)] if product.creator else []),
            *([("License", product.license)] if product.license else []),
        ],
        "match": {
            "glb": _data(model, "model/gltf-binary"),
            "camera": pose["camera"],
        },
        "script": mark_safe(_harmless(Path(str(script)).read_text(encoding="utf-8"))),  # noqa: S308  (our own build)
    }
    return render_to_string("catalog/match.html", context)


def _data(content: bytes, kind: str) -> str:
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"


def _harmless(script: str) -> str:
    """A string in the script can't end the element it stands in."""
    return script.replace("</script", "<\\/script")
