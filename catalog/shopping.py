"""Reads for the shopper's page: an answer filtered, sorted and cut off, with the counts of what else there is."""

from __future__ import annotations

import logging
import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from django.core.cache import cache

from catalog import engine, selectors
from catalog.errors import GenerationCorrupt, MediaDown, NoIndex, StorageFull
from catalog.models import Feedback, Product, Search, SearchResult
from catalog.saying import failure_text
from catalog.services import finding, indexing

__all__ = [
    "COLOR_WEIGHTS",
    "SORTS",
    "Answer",
    "Facet",
    "Wish",
    "answer_data",
    "answer_of",
    "look_alikes",
    "similar_products",
]

CUT_OFFS = (0.0, -0.15, -0.3, -0.5)  # calibrated score a result must have, a step lower each; then all
NEAR = -0.3  # calibrated score from which products are called similar; below, nothing is
FEWEST = 4  # results shown, whatever they score
SORTS = ("best", "price", "-price", "size")
COLOR_WEIGHTS = (0.0, 0.1, 0.3)  # of the likeness of colors, beside the score of the shape
PRICE_EDGES = (25, 50, 100, 250, 500, 1000, 2500, 5000)
SIZE_EDGES = (25, 50, 100, 150, 200, 300)  # longest side, cm
SIMILAR = 6
_ALIKE_KEPT = 24  # models remembered as alike: some may be withdrawn later
_ALIKE_SECONDS = 30 * 86400  # an index is never changed; its number is in the key
_LOOKED_AT = 500  # products of a category compared in size

log = logging.getLogger(__name__)

Range = tuple[int, int | None]  # from, and up to; None: and more


@dataclass(frozen=True, slots=True)
class Wish:
    """What a shopper wants of an answer; anything unknown in it is taken as not said.

    kind         a category; price, size: 'low-high', 'low-' for more than low
    color        index into COLOR_WEIGHTS
    more         times that "show more" was pressed
    """

    kind: str = ""
    price: str = ""
    size: str = ""
    sort: str = "best"
    color: int = 0
    more: int = 0

    @property
    def is_filtered(self) -> bool:
        return bool(self.kind or self.price or self.size)


@dataclass(frozen=True, slots=True)
class Facet:
    """One choice of a filter: what it stands for, and how many results it would leave."""

    value: str
    count: int
    low: int = 0
    high: int | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """results     those shown, in order
    fitting     how many pass the filters
    kinds, prices, sizes  each filter's choices, counted with the other filters set
    unused      words that no product goes with
    """

    wish: Wish
    results: list[SearchResult]
    fitting: int
    kinds: list[Facet]
    prices: list[Facet]
    sizes: list[Facet]
    unused: list[str]

    @property
    def is_near(self) -> bool:
        """Whether the best shown is alike enough to be called similar, though it may not be the thing itself."""
        return any(row.calibrated >= NEAR for row in self.results)

    @property
    def hidden(self) -> int:
        return self.fitting - len(self.results)


def answer_of(search: Search, wish: Wish) -> Answer:
    """What is shown of a search's results. The search comes from `selectors.search_by_uuid`."""
    rows = [row for row in search.results.all() if row.product.asset_id]
    tests: dict[str, Callable[[SearchResult], bool]] = {
        "kind": lambda row: not wish.kind or row.product.category == wish.kind,
        "price": _within(wish.price, _price),
        "size": _within(wish.size, _longest_cm),
    }

    def passing(but: str = "") -> list[SearchResult]:
        return [row for row in rows if all(test(row) for name, test in tests.items() if name != but)]

    fitting = passing()
    weight = COLOR_WEIGHTS[wish.color]
    fitting.sort(key=lambda row: (-(row.total + weight * (row.color or 0.0)), row.rank))
    shown = _cut(fitting, wish.more)
    if wish.sort != "best":
        shown.sort(key=_order(wish.sort))
    kinds = Counter(row.product.category for row in passing("kind") if row.product.category)
    used = set(search.words_used)
    return Answer(
        wish=wish,
        results=shown,
        fitting=len(fitting),
        kinds=[Facet(name, count) for name, count in sorted(kinds.items())],
        prices=_ranges(passing("price"), _price, PRICE_EDGES),
        sizes=_ranges(passing("size"), _longest_cm, SIZE_EDGES),
        unused=[word for word in finding.words_in(search.words) if word not in used],
    )


def _cut(rows: Sequence[SearchResult], more: int) -> list[SearchResult]:
    """Those alike enough; the next cut-off that lets more in each time."""
    steps = [sum(row.calibrated >= limit for row in rows) for limit in CUT_OFFS]
    counts = sorted({max(FEWEST, step) for step in steps} | {len(rows)})
    counts = [count for count in counts if count <= len(rows)] or [len(rows)]
    count = counts[min(more, len(counts) - 1)]
    ranked = sorted(range(len(rows)), key=lambda index: (-rows[index].calibrated, index))
    kept = set(ranked[:count])
    return [row for index, row in enumerate(rows) if index in kept]


def _order(sort: str) -> Callable[[SearchResult], tuple[bool, Any, int]]:
    """Rows whose value is not known come last."""
    value = _longest_cm if sort == "size" else _price
    sign = -1 if sort == "-price" else 1
    return lambda row: ((found := value(row)) is None, 0 if found is None else sign * found, row.rank)


def _price(row: SearchResult) -> float | None:
    return None if row.product.price is None else float(row.product.price)


def _longest_cm(row: SearchResult) -> float | None:
    product = row.product
    sides = [side for side in (product.width_m, product.height_m, product.depth_m) if side is not None]
    return 100 * max(sides) if sides else None


def _within(text: str, value: Callable[[SearchResult], float | None]) -> Callable[[SearchResult], bool]:
    bounds = _bounds(text)
    if bounds is None:
        return lambda _: True
    low, high = bounds

    def test(row: SearchResult) -> bool:
        found = value(row)
        return found is not None and found >= low and (high is None or found < high)

    return test


def _bounds(text: str) -> Range | None:
    low, dash, high = text.partition("-")
    if not dash or not low.isdecimal() or not (high == "" or high.isdecimal()):
        return None
    return int(low), int(high) if high else None


def _ranges(
    rows: Sequence[SearchResult], value: Callable[[SearchResult], float | None], edges: Sequence[int]
) -> list[Facet]:
    """The ranges between the edges in which some result lies."""
    values = [found for row in rows if (found := value(row)) is not None]
    found = []
    for low, high in zip((0, *edges), (*edges, None), strict=True):
        count = sum(low <= one and (high is None or one < high) for one in values)
        if count:
            found.append(Facet(f"{low}-{'' if high is None else high}", count, low, high))
    return found


# ---- for the page's script ----------------------------------------------------------------


def answer_data(search: Search, answer: Answer) -> dict[str, Any]:
    """State, photos and, of each result shown, what the overlay needs. Plain JSON."""
    said = dict(Feedback.objects.filter(search=search, about="match").values_list("product", "kind"))
    fields = selectors.search_fields(search)
    rows = list(search.photos.all())
    return {
        **{name: fields[name] for name in ("id", "state", "error_code", "queue_position", "no_match")},
        "error": failure_text(search.error_code, search.error_message) or None,
        "words": search.words,
        "photos": [
            photo | {"detections": row.detections} for photo, row in zip(fields["photos"], rows, strict=True)
        ],
        "results": [_result_data(row, said.get(row.product_id)) for row in answer.results],
    }


def _result_data(row: SearchResult, said: str | None) -> dict[str, Any]:
    product = row.product
    asset = row.asset
    return {
        "rank": row.rank,
        "product": product.pk,
        "name": product.name,
        "confidence": row.confidence,
        "score": round(row.score, 4),
        "facts": [fact for fact in (product.size_text, product.category, product.sku) if fact],
        "price": None if product.price is None else f"{product.price:.2f}",
        "currency": product.currency,
        "credits": [fact for fact in (product.creator, product.license, product.catalog.name) if fact],
        "url": product.get_absolute_url(),
        "link": product.link,
        "glb_url": selectors.asset_url(asset.hash, "viewer.glb"),
        "view_url": selectors.asset_url(asset.hash, f"views/{row.view_index}.jpg"),
        "photo_index": row.photo_index,
        "azimuth_deg": row.azimuth_deg,
        "elevation_deg": row.elevation_deg,
        "pose": row.pose,
        "others": [
            other | {"view_url": selectors.asset_url(asset.hash, f"views/{other['view_index']}.jpg")}
            for other in row.others
        ],
        "agreement": row.agreement,
        "said": said,
    }


# ---- products -----------------------------------------------------------------------------


def look_alikes(product: Product) -> list[Product]:
    """Offered products whose models look most like this one's, by the active index; none without one.

    Of the models most alike, those of the product's own category come first: a cup's outline is also a table's.
    """
    try:
        generation = indexing.active_generation()
    except NoIndex:
        return []
    key = f"alike-{generation.pk}-{product.asset_id}"
    assets: list[int] | None = cache.get(key)
    if assets is None:
        try:
            found = engine.most_alike(indexing.folder(generation), product.asset_id or 0, top=_ALIKE_KEPT)
        except (GenerationCorrupt, MediaDown, StorageFull) as error:
            log.warning("no products are shown as alike: %s", error)
            return []
        assets = [model for model, _ in found]
        cache.set(key, assets, _ALIKE_SECONDS)
    offered = selectors.shown_products().filter(asset__in=assets).order_by("-pk")
    by_asset = {row.asset_id: row for row in offered}  # the oldest of each
    alike = [by_asset[asset] for asset in assets if asset in by_asset]
    return sorted(alike, key=lambda row: row.category != product.category)[:SIMILAR]


def similar_products(product: Product) -> list[Product]:
    """Of the same category, nearest in proportions and size first."""
    if not product.category:
        return []
    rows = selectors.shown_products().filter(category=product.category).exclude(pk=product.pk)
    return sorted(rows[:_LOOKED_AT], key=lambda row: (_size_apart(row, product), row.name))[:SIMILAR]


def _size_apart(a: Product, b: Product) -> float:
    """Sum of the sides' log ratios; infinite where a side is not known."""
    sides = [(a.width_m, b.width_m), (a.height_m, b.height_m), (a.depth_m, b.depth_m)]
    return sum(abs(math.log(one / other)) if one and other else math.inf for one, other in sides)
