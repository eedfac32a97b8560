"""Pictures in lists and forms."""

from __future__ import annotations

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from catalog import selectors
from catalog.models import Asset, Photo

__all__ = ["contact_sheet", "gallery", "photo_picture", "state_badge", "thumbnail", "view_picture"]

_COLORS = {
    "ready": "#0b7a6f",
    "done": "#0b7a6f",
    "imported": "#0b7a6f",
    "updated": "#0b7a6f",
    "unchanged": "#64748b",
    "ignored": "#64748b",
    "cancelled": "#64748b",
    "retired": "#64748b",
    "failed": "#b91c1c",
}


def thumbnail(asset: Asset | None, size: int = 56) -> SafeString:
    """Of a ready model; a dash for any other."""
    if asset is None or asset.status != Asset.Status.READY:
        return format_html("{}", "–")
    return _image(selectors.asset_url(asset.hash, "thumbnail.jpg"), f"model {asset.pk}", size)


def view_picture(asset: Asset, k: int, size: int = 96) -> SafeString:
    return _image(selectors.asset_url(asset.hash, f"views/{k}.jpg"), f"view {k}", size)


def contact_sheet(asset: Asset | None) -> SafeString:
    """All views of a model in one picture."""
    if asset is None or asset.status != Asset.Status.READY:
        return format_html("{}", "–")
    address = selectors.asset_url(asset.hash, "views.jpg")
    return format_html(
        '<a href="{}"><img src="{}" alt="{} views" loading="lazy" style="width:100%;max-width:60rem;border-radius:6px"></a>',
        address,
        address,
        asset.view_count,
    )


def photo_picture(photo: Photo | None, size: int = 72, box: list[float] | None = None) -> SafeString:
    """A stored photo, with a box in its pixels."""
    if photo is None or not photo.is_upright or not photo.width or not photo.height:
        return format_html("{}", "–")
    frame = SafeString()
    if box:
        x0, y0, x1, y1 = box
        frame = format_html(
            '<span style="position:absolute;left:{}%;top:{}%;width:{}%;height:{}%;border:2px solid #ffd166;'
            'box-shadow:0 0 0 1px #000"></span>',
            *(
                round(100 * value, 2)
                for value in (
                    x0 / photo.width,
                    y0 / photo.height,
                    (x1 - x0) / photo.width,
                    (y1 - y0) / photo.height,
                )
            ),
        )
    return format_html(
        '<span style="position:relative;display:inline-block"><img src="{}" alt="photo {}" loading="lazy" '
        'style="max-height:{}px;max-width:none;border-radius:4px">{}</span>',
        selectors.photo_url(photo),
        photo.pk,
        size,
        frame,
    )


def state_badge(value: str, label: str) -> SafeString:
    """A colored word: green is done, red is failed, gray is over, amber goes on."""
    color = _COLORS.get(value, "#b45309")
    return format_html(
        '<span style="background:{};color:#fff;padding:2px 10px;border-radius:999px;font-size:12px;'
        'white-space:nowrap">{}</span>',
        color,
        label,
    )


def gallery(pictures: list[tuple[SafeString, str]]) -> SafeString:
    """Pictures with a caption each, side by side."""
    return format_html(
        '<div style="display:flex;flex-wrap:wrap;gap:14px">{}</div>',
        format_html_join(
            "",
            '<figure style="margin:0;width:130px">{}<figcaption style="font-size:12px;line-height:1.35">{}</figcaption></figure>',
            pictures,
        ),
    )


def _image(address: str, text: str, size: int) -> SafeString:
    return format_html(
        '<img src="{}" alt="{}" loading="lazy" style="width:{}px;height:{}px;object-fit:contain;'
        'background:#808080;border-radius:6px">',
        address,
        text,
        size,
        size,
    )
