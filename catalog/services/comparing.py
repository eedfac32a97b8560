"""Two index generations (or tolerances) answer the same saved searches, before one of them serves."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django.contrib.auth.models import AbstractUser
from django.db import transaction
from django.utils import timezone

from catalog import engine, jobs, media
from catalog.errors import BadPhoto, NotPossible, ShapelensError
from catalog.models import (
    Asset,
    Comparison,
    ComparisonCase,
    IndexGeneration,
    Product,
    Search,
    SearchPhoto,
    Verdict,
)
from catalog.services import indexing, leases, photos, reviewing
from catalog.services.searching import withdrawn_assets

if TYPE_CHECKING:
    from ml.search.answers import PhotoQuery

__all__ = ["Side", "request_comparison", "run_comparison", "saved_searches"]

log = logging.getLogger(__name__)

LEASE_SECONDS = 60.0
MAX_ATTEMPTS = 3
MOST = 200  # searches compared
TOP = 10

State = Comparison.State
Outcome = ComparisonCase.Outcome


@dataclass(frozen=True, slots=True)
class Side:
    generation: IndexGeneration
    tau: float = 0.9


def request_comparison(a: Side, b: Side, user: AbstractUser | None = None) -> Comparison:
    """A waiting comparison. Raises NotPossible where a side can't answer or both are the same."""
    for side in (a, b):
        if side.generation.status != IndexGeneration.Status.READY:
            raise NotPossible(
                f"{side.generation} is {side.generation.get_status_display()}; choose a ready one"
            )
        if not 0 < side.tau <= 1:
            raise NotPossible(f"tau {side.tau:g} is outside (0, 1]; 0.9 is the default")
    if (a.generation.pk, a.tau) == (b.generation.pk, b.tau):
        raise NotPossible("both sides are the same; choose two generations, or two tolerances")
    if not saved_searches():
        raise NotPossible("there is no search to repeat yet; search with some photos first")
    with transaction.atomic():
        row = Comparison.objects.create(
            generation_a=a.generation, tau_a=a.tau, generation_b=b.generation, tau_b=b.tau, author=user
        )
        jobs.run_comparison(row)
    return row


def saved_searches() -> list[Search]:
    """Those with verdicts, newest first, then others; at most MOST, with their photos."""
    done = Search.objects.filter(state=Search.State.DONE).prefetch_related("photos__photo").order_by("-pk")
    judged = list(done.filter(pk__in=Verdict.objects.values("search"))[:MOST])
    rest = done.exclude(pk__in=[search.pk for search in judged])[: MOST - len(judged)]
    return [*judged, *rest]


def run_comparison(comparison_id: int) -> None:
    """Do it, unless it is done or somebody alive works on it."""
    waiting = Comparison.objects.filter(state__in=[State.QUEUED, State.RUNNING], attempts__lt=MAX_ATTEMPTS)
    lease = leases.claim(waiting, comparison_id, LEASE_SECONDS, state=State.RUNNING)
    if lease is None:
        return
    with leases.holding(lease):
        row = Comparison.objects.select_related("generation_a", "generation_b").get(pk=comparison_id)
        try:
            _compare(row, lease)
        except leases.LeaseLost:
            log.info("comparison %s was taken over", comparison_id)
        except ShapelensError as error:
            lease.write(state=State.FAILED, error=str(error), finished_at=timezone.now())
        except Exception:
            log.exception("comparison %s failed", comparison_id)
            lease.write(
                state=State.FAILED,
                error="an unexpected error ended it; the log has it. Try it again.",
                finished_at=timezone.now(),
            )
            raise


def _compare(row: Comparison, lease: leases.Lease) -> None:
    searches = saved_searches()
    lease.write(total=2 * len(searches), done=0)
    # one side after the other: an opened index is replaced when another is asked for
    a = _answers(Side(row.generation_a, row.tau_a), searches, lease, 0)
    b = _answers(Side(row.generation_b, row.tau_b), searches, lease, len(searches))
    verdicts = Verdict.objects.filter(search__in=searches)
    agreed = reviewing.agreed_labels(verdicts)
    cases = [
        _case(row, search, a[search.pk], b[search.pk], agreed.get(search.pk))
        for search in searches
        if search.pk in a and search.pk in b
    ]
    with transaction.atomic():
        row.cases.all().delete()
        ComparisonCase.objects.bulk_create(cases)
        lease.write(state=State.DONE, done=2 * len(searches), finished_at=timezone.now(), error="")


def _answers(
    side: Side, searches: list[Search], lease: leases.Lease, before: int
) -> dict[int, list[dict[str, Any]]]:
    """By search; one whose photo was deleted is left out."""
    generation = side.generation
    withdrawn = withdrawn_assets(generation)
    offered = Product.objects.filter(is_withdrawn=False, asset__generations=generation).order_by("-pk")
    hashes = dict(generation.assets.values_list("pk", "hash"))
    names = {asset: (pk, name) for asset, pk, name in offered.values_list("asset", "pk", "name")}
    found: dict[int, list[dict[str, Any]]] = {}
    for number, search in enumerate(searches, start=1):
        try:
            answer = engine.search(
                indexing.folders(generation),
                _queries(search),
                tau=side.tau,
                top=TOP,
                withdrawn=withdrawn,
                model_directory=lambda asset: media.searched_files(hashes[asset]),
                pose_top=0,
            )
        except BadPhoto:
            continue
        found[search.pk] = [
            {
                "product": names[match.model_id][0],
                "name": names[match.model_id][1],
                "asset": match.model_id,
                "view": match.view_id - match.model_id * Asset.VIEWS_LIMIT,
                "calibrated": round(float(match.calibrated), 4),
            }
            for match in answer.matches
            if match.model_id in names
        ]
        lease.write(done=before + number)
    return found


def _queries(search: Search) -> list[PhotoQuery]:
    """As it was asked: what had to be found is found again, by the side's own means."""
    queries = []
    for row in search.photos.all():
        is_found = row.box_source == SearchPhoto.BoxSource.FOUND
        box = None if is_found else row.box
        queries.append(engine.query(photos.open_upright(row.photo), box, row.turn_deg))
    return queries


def _case(
    row: Comparison,
    search: Search,
    a: list[dict[str, Any]],
    b: list[dict[str, Any]],
    verdict: Verdict | None,
) -> ComparisonCase:
    right = verdict.product_id if verdict and verdict.label in reviewing.FOUND_LABELS else None
    if verdict and verdict.label == Verdict.Label.WRONG:
        right = verdict.product_id  # the reviewer looked it up
    rank_a, rank_b = _rank(a, right), _rank(b, right)
    return ComparisonCase(
        comparison=row,
        search=search,
        answers_a=a[:5],
        answers_b=b[:5],
        rank_a=rank_a,
        rank_b=rank_b,
        is_judged=right is not None,
        outcome=_outcome(a, b) if right is None else _judged_outcome(rank_a, rank_b),
    )


def _rank(answers: list[dict[str, Any]], product: int | None) -> int | None:
    return next((at for at, one in enumerate(answers, start=1) if one["product"] == product), None)


def _judged_outcome(rank_a: int | None, rank_b: int | None) -> str:
    a, b = rank_a or TOP + 1, rank_b or TOP + 1
    if a == b:
        return Outcome.SAME
    return Outcome.BETTER if b < a else Outcome.WORSE


def _outcome(a: list[dict[str, Any]], b: list[dict[str, Any]]) -> str:
    first_a, first_b = (answers[0]["product"] if answers else None for answers in (a, b))
    return Outcome.SAME if first_a == first_b else Outcome.CHANGED
