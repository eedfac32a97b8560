"""Template tags of the shopper's pages."""

from __future__ import annotations

from urllib.parse import urlencode

from django import template
from django.utils.translation import gettext

from catalog.shopping import Facet, Wish

__all__ = ["confidence_text", "more_query", "range_text", "register"]

register = template.Library()

# by `SearchResult.Confidence`; the words themselves are listed for translation in `words`
_CONFIDENCE = {
    "very likely": "Very likely",
    "likely": "Likely",
    "similar shape": "Similar shape",
    "weak": "Not certain",
}


@register.filter
def confidence_text(confidence: str) -> str:
    return gettext(_CONFIDENCE[confidence])


@register.filter
def range_text(facet: Facet, unit: str = "") -> str:
    """'under 50 cm', '50–100 cm', 'over 300 cm'"""
    unit = f" {unit}" if unit else ""
    if facet.high is None:
        return gettext("over %(low)s") % {"low": facet.low} + unit
    if facet.low == 0:
        return gettext("under %(high)s") % {"high": facet.high} + unit
    return f"{facet.low}–{facet.high}{unit}"


@register.simple_tag
def more_query(wish: Wish) -> str:
    """The address of the same wish, a step further."""
    said = {"kind": wish.kind, "price": wish.price, "size": wish.size, "sort": wish.sort, "color": wish.color}
    return urlencode({**said, "more": wish.more + 1})
