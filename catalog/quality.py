"""Reads for those who watch how well matching works: cases, figures for the plots, scores for the cut-off.

No writes; a constant number of queries, and at most MOST searches looked at.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Sequence
from datetime import timedelta
from statistics import NormalDist, median, quantiles
from typing import Any

from django.contrib.auth.models import AbstractUser
from django.db.models import QuerySet
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from catalog import selectors
from catalog.models import IndexGeneration, Product, Search, SearchPhoto, SearchResult, Verdict
from catalog.services import reviewing, tuning

__all__ = [
    "COUNTED",
    "MOST",
    "answering_generations",
    "case_fields",
    "case_link",
    "categories",
    "figures",
    "product_choices",
    "scored_cases",
    "share_fields",
    "wilson",
]

MOST = 20_000  # newest searches looked at
COUNTED = 1000  # cases counted; more are "1000+"
DAYS = 90
TOPS = (1, 3, 5, 10)
BIN = 0.1  # of the calibrated score
LEAST_GROUP = 3  # judged searches from which a category or generation is plotted
WORST = 12

Label = Verdict.Label


# ---- one case -------------------------------------------------------------------------------


def case_link(search_id: int) -> SafeString:
    return format_html('<a href="{}">open</a>', _case_url(search_id))


def _case_url(search_id: int) -> str:
    return reverse("admin:catalog_verdict_case", args=[search_id])


def case_fields(search: Search, user: AbstractUser) -> dict[str, Any]:
    """A case as the review page shows it. Others' verdicts are told only to who gives none."""
    row = Search.objects.prefetch_related(
        "photos__photo",
        "results__product__catalog",
        "results__product__asset",
        "results__asset",
        "verdicts__reviewer",
    ).get(pk=search.pk)
    fields = selectors.search_fields(row)
    photo_of = {result.rank: result.photo_index for result in row.results.all()}
    verdicts = list(row.verdicts.all())
    mine = next((one for one in verdicts if one.reviewer_id == user.pk), None)
    return {
        "id": row.pk,
        "page_url": fields["url"],
        "photos": fields["photos"],
        "no_match": fields["no_match"],
        "best": row.best_calibrated,
        "asked": row.created_at,
        "generation": row.generation_id,
        "record_url": reverse("admin:catalog_verdict_record", args=[row.pk]),
        "save_url": reverse("admin:catalog_search_match", args=[row.pk, 1]).rpartition("match-")[0],
        "results": [
            {
                **{
                    name: result[name]
                    for name in ("rank", "confidence", "calibrated", "azimuth_deg", "elevation_deg", "view_url",
                                 "glb_url", "pose")
                },
                "photo_index": photo_of[result["rank"]],
                "product": result["product"]["id"],
                "name": result["product"]["name"],
                "category": result["product"]["category"],
            }
            for result in fields["results"][:12]
        ],
        "mine": mine and {"label": mine.label, "rank": mine.rank, "true_box": mine.true_box},
        "verdicts": len(verdicts),
        "said": [] if user.has_perm("catalog.add_verdict") else [_said(one) for one in verdicts],
    }  # fmt: skip


def _said(verdict: Verdict) -> dict[str, Any]:
    return {
        "label": verdict.get_label_display(),
        "rank": verdict.rank,
        "reviewer": verdict.reviewer.get_username() if verdict.reviewer else "somebody who has left",
        "note": verdict.note,
        "true_box": verdict.true_box,
    }


def product_choices(text: str) -> list[dict[str, Any]]:
    """At most 12 products whose name holds every word."""
    words = text.split()[:6]
    if not words:
        return []
    rows = selectors.shown_products()
    for word in words:
        rows = rows.filter(name__icontains=word)
    return [
        {"id": row.pk, "name": row.name, "picture": selectors.asset_url(row.asset.hash, "thumbnail.jpg")}
        for row in rows[:12]
        if row.asset
    ]


def categories() -> list[str]:
    rows = Product.objects.exclude(category="").order_by("category")
    return list(rows.values_list("category", flat=True).distinct())


def answering_generations() -> QuerySet[IndexGeneration]:
    return IndexGeneration.objects.exclude(status=IndexGeneration.Status.QUEUED).order_by("-pk")[:30]


# ---- figures --------------------------------------------------------------------------------


def wilson(hits: int, n: int, level: float = 0.95) -> tuple[float, float]:
    """Score interval of a proportion (Wilson 1927), in [0, 1]; all of it for n = 0."""
    if not n:
        return 0.0, 1.0
    z = NormalDist().inv_cdf(0.5 + level / 2)
    p, bend = hits / n, z * z / n
    middle = (p + bend / 2) / (1 + bend)
    reach = z / (1 + bend) * math.sqrt(p * (1 - p) / n + bend / (4 * n))
    return max(0.0, middle - reach), min(1.0, middle + reach)


def share_fields(hits: int, n: int) -> dict[str, Any]:
    low, high = wilson(hits, n)
    return {"n": n, "hits": hits, "share": hits / n if n else None, "low": low, "high": high}


def figures(chosen: reviewing.QueueFilter) -> dict[str, Any]:
    """Everything the plots show, of the filter's searches: JSON-ready.

    Top-k counts the searches whose thing is in the catalog; a bad crop or a wrong answer is a miss.
    """
    searches = _searches(chosen)
    ids = [row["pk"] for row in searches]
    verdicts = _verdicts(ids)
    agreed = reviewing.agreed_labels(verdicts)
    first = _first_answers(ids)
    judged = [(row, agreed[row["pk"]]) for row in searches if row["pk"] in agreed]
    known = [(row, verdict) for row, verdict in judged if verdict.label != Label.ABSENT]
    both = reviewing.agreement(verdicts)
    return {
        "searches": len(searches),
        "most": MOST,
        "judged": len(judged),
        "disputed": len({v.search_id for v in verdicts} - set(agreed)),
        "labels": dict(Counter(verdict.label for _, verdict in judged)),
        "agreement": {"n": both.searches, "observed": both.observed, "kappa": both.kappa},
        "seconds_a_verdict": median([v.seconds for v in verdicts]) if verdicts else None,
        "top": _tops([verdict for _, verdict in known]),
        "by_category": _groups(known, lambda row, verdict: _category(verdict, first.get(row["pk"]))),
        "by_generation": _groups(known, lambda row, _: f"index {row['generation']}"),
        "calibration": _calibration(judged, first),
        "silhouette": _histogram([answer["iou"] for answer in first.values() if answer["iou"] is not None]),
        "stages": _stages(searches),
        "days": _days(searches),
        "confusion": _confusion(known, first),
        "worst_products": _worst_products(known, first),
        "worst_photos": _worst_photos(searches, agreed, first),
    }


def _searches(chosen: reviewing.QueueFilter) -> list[dict[str, Any]]:
    rows = Search.objects.filter(state=Search.State.DONE)
    since = chosen.since or timezone.now().date() - timedelta(days=DAYS)
    rows = rows.filter(created_at__date__gte=since)
    if chosen.until:
        rows = rows.filter(created_at__date__lte=chosen.until)
    if chosen.generation:
        rows = rows.filter(generation=chosen.generation)
    if chosen.category:
        rows = rows.filter(results__rank=1, results__product__category=chosen.category)
    names = ("pk", "uuid", "created_at", "generation", "is_no_match", "best_calibrated", "seconds")
    return list(rows.order_by("-pk").values(*names)[:MOST])


def _verdicts(ids: Sequence[int]) -> list[Verdict]:
    """In one query, however many searches there are."""
    if not ids:
        return []
    wanted = set(ids)
    rows = Verdict.objects.filter(search__gte=min(ids), search__lte=max(ids)).select_related("product")
    return [verdict for verdict in rows if verdict.search_id in wanted]


def _first_answers(ids: Sequence[int]) -> dict[int, dict[str, Any]]:
    if not ids:
        return {}
    rows = SearchResult.objects.filter(rank=1, search__gte=min(ids), search__lte=max(ids))
    wanted = set(ids)
    found = rows.values_list(
        "search", "product", "product__name", "product__category", "calibrated", "pose__silhouette_iou"
    )
    return {
        search: {"product": product, "name": name, "category": category, "calibrated": score, "iou": iou}
        for search, product, name, category, score, iou in found
        if search in wanted
    }


def _is_found(verdict: Verdict, top: int) -> bool:
    return verdict.label in reviewing.FOUND_LABELS and verdict.rank is not None and verdict.rank <= top


def _is_alike(verdict: Verdict, top: int) -> bool:
    similar = verdict.label == Label.SIMILAR and verdict.rank is not None and verdict.rank <= top
    return similar or _is_found(verdict, top)


def _tops(verdicts: Sequence[Verdict]) -> list[dict[str, Any]]:
    n = len(verdicts)
    return [
        {
            "k": k,
            "right": share_fields(sum(_is_found(v, k) for v in verdicts), n),
            "alike": share_fields(sum(_is_alike(v, k) for v in verdicts), n),
        }
        for k in TOPS
    ]


def _category(verdict: Verdict, answer: dict[str, Any] | None) -> str:
    if verdict.product:
        return verdict.product.category or "none"
    return (answer["category"] if answer else "") or "none"


def _groups(known: Sequence[tuple[dict[str, Any], Verdict]], name_of: Any) -> list[dict[str, Any]]:
    """Top-1 by group, the worst first; groups of next to nothing are left out."""
    groups: dict[str, list[Verdict]] = defaultdict(list)
    for row, verdict in known:
        groups[name_of(row, verdict)].append(verdict)
    shares = [
        {"name": name, **share_fields(sum(_is_found(v, 1) for v in rows), len(rows))}
        for name, rows in groups.items()
        if len(rows) >= LEAST_GROUP
    ]
    return sorted(shares, key=lambda group: group["share"])


def _calibration(
    judged: Sequence[tuple[dict[str, Any], Verdict]], first: dict[int, dict[str, Any]]
) -> list[dict[str, Any]]:
    """How often the first answer is right, by its score."""
    bins: dict[int, list[bool]] = defaultdict(list)
    for row, verdict in judged:
        if answer := first.get(row["pk"]):
            bins[math.floor(answer["calibrated"] / BIN)].append(_is_found(verdict, 1))
    return [
        {"score": round((at + 0.5) * BIN, 3), **share_fields(sum(hits), len(hits))}
        for at, hits in sorted(bins.items())
    ]


def _histogram(values: Sequence[float], bins: int = 20) -> list[int]:
    """Counts over [0, 1]."""
    counts = [0] * bins
    for value in values:
        counts[min(bins - 1, max(0, int(value * bins)))] += 1
    return counts


def _spread(values: Sequence[float]) -> dict[str, float]:
    cuts = quantiles(values, n=20, method="inclusive") if len(values) > 1 else [values[0]] * 19
    return {"p50": cuts[9], "p95": cuts[18]}


def _stages(searches: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Seconds a search spends in each stage."""
    spent: dict[str, list[float]] = defaultdict(list)
    for row in searches:
        for name, seconds in (row["seconds"] or {}).items():
            spent[name].append(float(seconds))
    return [{"name": name, **_spread(values)} for name, values in spent.items()]


def _days(searches: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Drift: a row a day, oldest first."""
    by_day: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in searches:
        by_day[row["created_at"].date().isoformat()].append(row)
    days = []
    for day, rows in sorted(by_day.items()):
        scores = [row["best_calibrated"] for row in rows if row["best_calibrated"] is not None]
        totals = [sum(map(float, (row["seconds"] or {}).values())) for row in rows]
        days.append(
            {
                "day": day,
                "zero": share_fields(sum(row["is_no_match"] for row in rows), len(rows)),
                "score": median(scores) if scores else None,
                "seconds": _spread(totals)["p95"],
            }
        )
    return days


def _confusion(
    known: Sequence[tuple[dict[str, Any], Verdict]], first: dict[int, dict[str, Any]]
) -> dict[str, Any]:
    """Right product's category against the first answer's, where a verdict names the right product."""
    pairs: Counter[tuple[str, str]] = Counter()
    for row, verdict in known:
        answer = first.get(row["pk"])
        if verdict.product and answer and verdict.label != Label.SIMILAR:
            pairs[(verdict.product.category or "none", answer["category"] or "none")] += 1
    names = sorted({name for pair in pairs for name in pair})
    cells = [[names.index(got), names.index(right), n] for (right, got), n in pairs.items()]
    return {"names": names, "cells": cells}


def _worst_products(
    known: Sequence[tuple[dict[str, Any], Verdict]], first: dict[int, dict[str, Any]]
) -> list[dict[str, Any]]:
    """Those most often passed over, and those most often answered in another's place."""
    missed: dict[tuple[int, str], list[int]] = defaultdict(list)
    intruded: dict[tuple[int, str], list[int]] = defaultdict(list)
    for row, verdict in known:
        if verdict.product and not _is_found(verdict, 1) and verdict.label != Label.SIMILAR:
            missed[(verdict.product.pk, verdict.product.name)].append(row["pk"])
        answer = first.get(row["pk"])
        if answer and verdict.label in {Label.WRONG, Label.RIGHT} and verdict.rank != 1:
            intruded[(answer["product"], answer["name"])].append(row["pk"])
    rows = [
        {"name": name, "what": what, "n": len(cases), "cases": [_case_url(case) for case in cases[:8]]}
        for what, found in (("passed over", missed), ("answered wrongly", intruded))
        for (_, name), cases in found.items()
    ]
    return sorted(rows, key=lambda row: -row["n"])[:WORST]


def _worst_photos(
    searches: Sequence[dict[str, Any]], agreed: dict[int, Verdict], first: dict[int, dict[str, Any]]
) -> list[dict[str, Any]]:
    """Cases judged wrong, surest mistakes first; then those with the lowest scores."""
    wrong = [
        row
        for row in searches
        if row["pk"] in agreed and agreed[row["pk"]].label in {Label.WRONG, Label.BAD_CROP}
    ]
    wrong.sort(key=lambda row: -first.get(row["pk"], {"calibrated": -9.0})["calibrated"])
    unsure = [row for row in searches if row["pk"] not in agreed and row["best_calibrated"] is not None]
    unsure.sort(key=lambda row: row["best_calibrated"])
    picked = [*wrong[:WORST], *unsure[: max(0, WORST - len(wrong))]]
    rows = Search.objects.filter(pk__in=[row["pk"] for row in picked]).prefetch_related("photos__photo")
    photos = {row.pk: list(row.photos.all()) for row in rows}
    return [
        {
            "case": _case_url(row["pk"]),
            "photo": selectors.photo_url(photos[row["pk"]][0].photo) if photos.get(row["pk"]) else None,
            "label": agreed[row["pk"]].get_label_display() if row["pk"] in agreed else "not judged",
            "answer": first.get(row["pk"], {}).get("name"),
            "score": row["best_calibrated"],
        }
        for row in picked
    ]


# ---- the cut-off ----------------------------------------------------------------------------


def scored_cases(generation: IndexGeneration) -> list[dict[str, Any]]:
    """Judged searches with a score of the same embedder: good where something right or similar is shown."""
    agreed = reviewing.agreed_labels(Verdict.objects.order_by("-pk")[:MOST])
    embedder = tuning.embedder_of(generation)
    comparable = [row.pk for row in IndexGeneration.objects.all() if tuning.embedder_of(row) == embedder]
    judged = Search.objects.filter(pk__in=Verdict.objects.values("search"))
    rows = judged.filter(generation__in=comparable, best_calibrated__isnull=False)
    photos = _first_photos(rows)
    return [
        {
            "score": score,
            "good": _is_alike(agreed[pk], max(TOPS)),
            "label": agreed[pk].get_label_display(),
            "case": _case_url(pk),
            "photo": photos.get(pk),
        }
        for pk, score in rows.order_by("-pk").values_list("pk", "best_calibrated")[:MOST]
        if pk in agreed
    ]


def _first_photos(searches: QuerySet[Search]) -> dict[int, str]:
    """Addresses by search, in one query however many there are."""
    rows = SearchPhoto.objects.filter(search__in=searches.order_by().values("pk"), position=0)
    return {
        search: reverse("photo", args=[uuid]) for search, uuid in rows.values_list("search", "photo__uuid")
    }
