"""What a shopper says of a result, shows to others, or takes back."""

from __future__ import annotations

import math
from datetime import timedelta
from typing import Any

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext

from catalog.errors import NotPossible
from catalog.models import Feedback, Photo, Product, Search, Share
from catalog.services import photos

__all__ = [
    "SHARE_DAYS",
    "delete_photos",
    "place_by_hand",
    "share_result",
    "shared",
    "take_back",
    "unshare",
    "verdict",
]

SHARE_DAYS = 30
_CAMERA = ("fx", "fy", "cx", "cy", "width", "height")


def verdict(search: Search, product: int, *, is_it: bool) -> None:
    """Raises NotPossible where the product is not among the search's results."""
    kind = Feedback.Kind.IS_IT if is_it else Feedback.Kind.NOT_IT
    _say(search, product, "match", kind, None)


def take_back(search: Search, product: int) -> None:
    """What was said of the match."""
    Feedback.objects.filter(search=search, product=product, about="match").delete()


def place_by_hand(search: Search, product: int, camera: dict[str, Any]) -> None:
    """camera: as the API gives it. Raises NotPossible for one that can't be."""
    rows = camera["camera_from_model"]
    numbers = [*(camera[name] for name in _CAMERA), *rows]
    if len(rows) != 16 or not all(math.isfinite(number) for number in numbers) or rows[11] <= 0:
        raise NotPossible(
            gettext("the camera is not one that sees the model; put the model before the camera")
        )
    _say(search, product, "pose", Feedback.Kind.POSE, camera)


def _say(search: Search, product: int, about: str, kind: str, camera: dict[str, Any] | None) -> None:
    _check_among(search, product)
    Feedback.objects.update_or_create(
        search=search, product_id=product, about=about, defaults={"kind": kind, "camera": camera}
    )


def share_result(search: Search, product: int) -> Share:
    """A new link, good for SHARE_DAYS. Raises NotPossible."""
    _check_among(search, product)
    expires = timezone.now() + timedelta(days=SHARE_DAYS)
    return Share.objects.create(search=search, product=Product(pk=product), expires_at=expires)


def shared(token: str) -> Share | None:
    """None where there is none, or it has expired."""
    return (
        Share.objects.filter(token=token, expires_at__gt=timezone.now())
        .select_related("search", "product__asset")
        .first()
    )


def unshare(search: Search, token: str) -> None:
    Share.objects.filter(search=search, token=token).delete()


def delete_photos(search: Search) -> int:
    """Delete its photos now, with every search, share and feedback that shows one of them; how many photos."""
    rows = list(Photo.objects.filter(searches__search=search).distinct())
    with transaction.atomic():
        Search.objects.filter(photos__photo__in=rows).delete()
    for photo in rows:
        photos.delete_photo(photo)
    return len(rows)


def _check_among(search: Search, product: int) -> None:
    if not search.results.filter(product=product).exists():
        raise NotPossible(
            gettext("product %(product)s is not among the results of this search") % {"product": product}
        )
