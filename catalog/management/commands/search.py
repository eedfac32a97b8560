"""The main job from the shell: photos of one object in, products out."""

from __future__ import annotations

import json
import math
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from catalog import engine, media
from catalog.errors import ShapelensError
from catalog.models import DEFAULT_TAU, Product
from catalog.services import indexing, searching
from catalog.services.photos import check_box

__all__ = ["Command"]


class Command(BaseCommand):
    help = "Search the active index with one or several photos of one object."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("photos", nargs="+", type=Path, metavar="PHOTO")
        parser.add_argument("--box", default="", help="x0,y0,x1,y1 in pixels of the first upright photo")
        parser.add_argument(
            "--turn",
            type=float,
            action="append",
            default=[],
            metavar="DEGREES",
            help="how far around the thing each photo was taken from, since the first; one a photo, in order",
        )
        parser.add_argument("--tau", type=float, default=DEFAULT_TAU, help="aspect tolerance in (0, 1]")
        parser.add_argument("--top", type=int, default=10)
        parser.add_argument("--json", action="store_true")

    def handle(self, *args: Any, **options: Any) -> None:
        if not 0 < options["tau"] <= 1:
            raise CommandError(f"--tau {options['tau']} is outside (0, 1]; {DEFAULT_TAU} is the default")
        if len(options["turn"]) > len(options["photos"]):
            raise CommandError(
                f"{len(options['turn'])} turns for {len(options['photos'])} photos; give one a photo"
            )
        try:
            answer = _answer(**{name: options[name] for name in ("photos", "box", "turn", "tau", "top")})
        except ShapelensError as error:
            raise CommandError(str(error)) from error
        if options["json"]:
            self.stdout.write(json.dumps(answer, indent=1))
            return
        if answer["no_match"]:
            self.stdout.write("nothing in the catalog looks like it; the nearest are:")
        for row in answer["results"]:
            self.stdout.write(
                f"{row['rank']:2}. {row['name']}  {row['size_text']}  {row['confidence']}  "
                f"score {row['score']:.3f}  azimuth {row['azimuth_deg']:.0f}  elevation {row['elevation_deg']:.0f}"
            )


def _answer(photos: list[Path], box: str, turn: list[float], tau: float, top: int) -> dict[str, Any]:
    generation = indexing.active_generation()
    queries = []
    for number, path in enumerate(photos):
        photo = engine.open_photo(path)
        asked = check_box(_edges(box), photo.width, photo.height) if box and number == 0 else None
        queries.append(engine.query(photo, asked, turn[number] if number < len(turn) else None))
    hashes = dict(generation.assets.values_list("pk", "hash"))
    answer = engine.search(
        indexing.folders(generation),
        queries,
        tau=tau,
        top=top,
        withdrawn=searching.withdrawn_assets(generation),
        model_directory=lambda asset: media.searched_files(hashes[asset]),
    )
    products = _products([match.model_id for match in answer.matches])
    return {
        "no_match": answer.no_match,
        "tau": answer.tau_used,
        "tau_widened": answer.widened,
        "seconds": answer.seconds,
        "boxes": [list(info.box.as_tuple()) for info in answer.queries],
        "results": [
            _row(rank, match, products[match.model_id])
            for rank, match in enumerate((m for m in answer.matches if m.model_id in products), start=1)
        ],
    }


def _edges(text: str) -> list[float]:
    try:
        edges = [float(part) for part in text.split(",")]
    except ValueError:
        edges = []
    if len(edges) != 4 or not all(math.isfinite(edge) for edge in edges):
        raise engine.BadBox(f"the box {text!r} is not four numbers; give x0,y0,x1,y1 in pixels")
    return edges


def _products(assets: list[int]) -> dict[int, Product]:
    """The first offered product of each asset."""
    rows = Product.objects.filter(asset__in=assets, is_withdrawn=False).order_by("-pk")
    return {row.asset_id: row for row in rows if row.asset_id is not None}


def _row(rank: int, match: Any, product: Product) -> dict[str, Any]:
    angles = {
        "azimuth_deg": math.degrees(match.view.azimuth),
        "elevation_deg": math.degrees(match.view.elevation),
        "camera": None,
        "silhouette_iou": None,
    }
    return {
        "rank": rank,
        "product": product.pk,
        "key": product.key,
        "name": product.name,
        "category": product.category,
        "size_text": product.size_text,
        "score": float(match.score),
        "calibrated": float(match.calibrated),
        "confidence": match.confidence,
        "view_id": int(match.view_id),
        **(searching.pose_fields(match.pose) if match.pose else angles),
    }
