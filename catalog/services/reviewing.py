"""Verdicts of people on real searches: taken one at a time, locked to a reviewer, judged twice, exported."""

from __future__ import annotations

import json
import zipfile
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from typing import IO, Any

from django.contrib.auth.models import AbstractUser
from django.db import IntegrityError, transaction
from django.db.models import Count, Exists, F, OuterRef, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.utils import timezone

from catalog import media, storage
from catalog.errors import BadBox, NotPossible
from catalog.models import Product, ReviewLock, Search, SearchPhoto, SearchResult, Verdict
from catalog.services import photos

__all__ = [
    "FOUND_LABELS",
    "LOCK",
    "WANTED",
    "Agreement",
    "Judged",
    "QueueFilter",
    "agreed_labels",
    "agreement",
    "cohen_kappa",
    "export",
    "queue",
    "record",
    "release",
    "take",
    "undo",
]

LOCK = timedelta(minutes=10)
WANTED = 2  # verdicts a search
DECIDING = 3  # of a search whose two reviewers differ
_TRIED = 20  # cases looked at before the queue is called taken

Label = Verdict.Label
FOUND_LABELS = (Label.RIGHT, Label.VIEWPOINT)


# ---- the queue --------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class QueueFilter:
    """Which cases, and in what order.

    show        "open" (fewer than two verdicts), "second" (exactly one), "disputed" (reviewers differ)
    order       "unsure" (lowest score first), "newest", "oldest"
    category    of the first answer; '' for all
    since, until  days of the search, inclusive
    generation  id of the index that answered
    """

    show: str = "open"
    order: str = "unsure"
    category: str = ""
    since: date | None = None
    until: date | None = None
    generation: int | None = None


_ORDERS = {"unsure": ("best_calibrated", "pk"), "newest": ("-pk",), "oldest": ("pk",)}


def queue(user: AbstractUser, chosen: QueueFilter) -> QuerySet[Search]:
    """Ended searches that this reviewer may judge next, best first; those another one holds are left out."""
    if chosen.show not in {"open", "second", "disputed"} or chosen.order not in _ORDERS:
        raise NotPossible(f"there is no queue {chosen.show!r} in the order {chosen.order!r}")
    verdicts = Verdict.objects.filter(search=OuterRef("pk"))
    held = ReviewLock.objects.filter(search=OuterRef("pk"), until__gt=timezone.now()).exclude(reviewer=user)
    rows = Search.objects.filter(
        ~Exists(verdicts.filter(reviewer=user)),
        ~Exists(held),
        Exists(SearchPhoto.objects.filter(search=OuterRef("pk"), photo__width__isnull=False)),
        state=Search.State.DONE,
    )
    count = _counted(verdicts, "pk")
    if chosen.show == "disputed":
        rows = rows.alias(labels_n=_counted(verdicts, "label"), verdicts_n=count)
        rows = rows.filter(labels_n__gt=1, verdicts_n__lt=DECIDING)
    elif chosen.show == "second":
        rows = rows.alias(verdicts_n=count).filter(verdicts_n=1)
    else:
        rows = rows.alias(verdicts_n=count).filter(verdicts_n__lt=WANTED)
    if chosen.category:
        first = SearchResult.objects.filter(search=OuterRef("pk"), rank=1, product__category=chosen.category)
        rows = rows.filter(Exists(first))
    if chosen.since:
        rows = rows.filter(created_at__date__gte=chosen.since)
    if chosen.until:
        rows = rows.filter(created_at__date__lte=chosen.until)
    if chosen.generation:
        rows = rows.filter(generation=chosen.generation)
    return rows.order_by(*_ORDERS[chosen.order])


def _counted(verdicts: QuerySet[Verdict], of: str) -> Coalesce:
    one = verdicts.order_by().values("search").annotate(n=Count(of, distinct=True)).values("n")
    return Coalesce(Subquery(one), 0)


def take(user: AbstractUser, chosen: QueueFilter, *, skipped: Iterable[int] = ()) -> Search | None:
    """The next case, locked to this reviewer for ten minutes; None where there is none."""
    for search in queue(user, chosen).exclude(pk__in=list(skipped))[:_TRIED]:
        if _lock(search, user):
            ReviewLock.objects.filter(reviewer=user).exclude(search=search).delete()
            return search
    return None


def _lock(search: Search, user: AbstractUser) -> bool:
    """False where another reviewer holds it."""
    now = timezone.now()
    locks = ReviewLock.objects.filter(search=search)
    free = locks.filter(reviewer=user) | locks.filter(until__lte=now)
    if free.update(reviewer=user, until=now + LOCK):
        return True
    try:
        with transaction.atomic():
            ReviewLock.objects.create(search=search, reviewer=user, until=now + LOCK)
    except IntegrityError:
        return False
    return True


def release(user: AbstractUser) -> None:
    """Give back what this reviewer holds."""
    ReviewLock.objects.filter(reviewer=user).delete()


# ---- verdicts ---------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Judged:
    """What a reviewer says. rank: of the answer that is meant; product: id of one that was not answered;
    true_box: edges in the first photo's stored pixels; seconds: the case was open."""

    label: str
    rank: int | None = None
    product: int | None = None
    true_box: list[float] | None = None
    true_azimuth_deg: float | None = None
    true_elevation_deg: float | None = None
    note: str = ""
    seconds: float = 0.0


def record(search: Search, user: AbstractUser, said: Judged) -> Verdict:
    """Keep the verdict and give the case back; one said again replaces the first.

    Raises NotPossible where another reviewer holds the case or the verdict names no answer, BadBox.
    """
    if said.label not in Label.values:
        raise NotPossible(f"{said.label!r} is no verdict; choose one of {', '.join(Label.values)}")
    product, rank = _meant(search, said)
    box = None if said.true_box is None else _checked_box(search, said.true_box)
    with transaction.atomic():
        if not _lock(search, user):
            raise NotPossible("another reviewer has this case now; go on with the next")
        verdict, _ = Verdict.objects.update_or_create(
            search=search,
            reviewer=user,
            defaults={
                "label": said.label,
                "product": product,
                "rank": rank,
                "true_box": box,
                "true_azimuth_deg": said.true_azimuth_deg,
                "true_elevation_deg": said.true_elevation_deg,
                "note": said.note[:500],
                "seconds": min(max(said.seconds, 0.0), 3600.0),
            },
        )
        release(user)
    return verdict


def _meant(search: Search, said: Judged) -> tuple[Product | None, int | None]:
    if said.product is not None:
        product = Product.objects.filter(pk=said.product).first()
        if product is None:
            raise NotPossible(f"there is no product {said.product}; choose one from the list")
        row = search.results.filter(product=product).first()
        return product, row.rank if row else None
    if said.label not in {Label.RIGHT, Label.SIMILAR, Label.VIEWPOINT}:
        return None, None
    row = search.results.select_related("product").filter(rank=said.rank or 1).first()
    if row is None:
        raise NotPossible(f"this search has no answer {said.rank or 1}; say wrong, or not in the catalog")
    return row.product, row.rank


def _checked_box(search: Search, box: list[float]) -> list[float]:
    photo = search.photos.select_related("photo").order_by("position")[0].photo
    if not photo.width or not photo.height:
        raise BadBox("the photo has not been opened yet; look at it again in a moment")
    return photos.check_box(box, photo.width, photo.height)


def undo(user: AbstractUser) -> Search | None:
    """Take back this reviewer's last verdict and give them its case again; None where there is none, or
    where another reviewer has the case."""
    last = (
        Verdict.objects.filter(reviewer=user).select_related("search").order_by("-updated_at", "-pk").first()
    )
    if last is None:
        return None
    with transaction.atomic():
        if not _lock(last.search, user):
            return None
        last.delete()
    return last.search


# ---- agreement --------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Agreement:
    """Of searches with two verdicts: their number, the share on which both agree, Cohen's kappa (None where
    it is not defined), and how often each pair of labels came."""

    searches: int
    observed: float
    kappa: float | None
    pairs: dict[tuple[str, str], int]


def agreement(verdicts: Iterable[Verdict] | None = None) -> Agreement:
    """Over the first two verdicts of every search; of all there are, unless some are given."""
    if verdicts is None:
        rows = Verdict.objects.order_by("pk").values_list("search", "label")
    else:
        rows = [(one.search_id, one.label) for one in sorted(verdicts, key=lambda one: one.pk)]
    said: dict[int, list[str]] = defaultdict(list)
    for search, label in rows:
        said[search].append(label)
    pairs = [(labels[0], labels[1]) for labels in said.values() if len(labels) > 1]
    observed = sum(a == b for a, b in pairs) / len(pairs) if pairs else 0.0
    return Agreement(len(pairs), observed, cohen_kappa(pairs), dict(Counter(pairs)))


def cohen_kappa(pairs: list[tuple[str, str]]) -> float | None:
    """Agreement beyond chance, (p_o − p_e) / (1 − p_e), of two raters (Cohen 1960); None where p_e is 1."""
    if not pairs:
        return None
    n = len(pairs)
    first, second = Counter(a for a, _ in pairs), Counter(b for _, b in pairs)
    observed = sum(a == b for a, b in pairs) / n
    chance = sum(first[label] * second[label] for label in first) / n**2
    return None if chance == 1 else (observed - chance) / (1 - chance)


def agreed_labels(verdicts: Iterable[Verdict]) -> dict[int, Verdict]:
    """By search: the newest verdict with the label most reviewers gave; searches left out where they tie."""
    said: dict[int, list[Verdict]] = defaultdict(list)
    for verdict in verdicts:
        said[verdict.search_id].append(verdict)
    agreed = {}
    for search, rows in said.items():
        (label, most), *others = Counter(row.label for row in rows).most_common()
        if not others or others[0][1] < most:
            agreed[search] = max((row for row in rows if row.label == label), key=lambda row: row.pk)
    return agreed


# ---- export -----------------------------------------------------------------------------

README = """Verdicts of reviewers on real searches.

queries.jsonl    photos of which a right product is known: python -m ml evaluate --gallery SOURCE --queries queries.jsonl
negatives.jsonl  answers that were called wrong, worst first: hard negatives for training
absent/          photos of things that are not in the catalog: python -m ml evaluate ... --absent absent
photos/          what the two lists refer to

"relevant" and "wrong" are the products' keys: the path without suffix in a folder or ZIP, the id in a .sh3f.
"""


def export(out: IO[bytes], verdicts: QuerySet[Verdict] | None = None) -> int:
    """A ZIP of labeled photos as `python -m ml evaluate` reads them; how many searches are in it.

    Searches whose reviewers differ are left out.
    """
    rows = Verdict.objects.all() if verdicts is None else verdicts
    agreed = agreed_labels(rows.select_related("product"))
    queries, negatives, count = [], [], 0
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as archive:
        for search in _judged_searches(agreed):
            verdict, names = agreed[search.pk], _keep_photos(archive, search, agreed[search.pk])
            if not names:
                continue
            count += 1
            if verdict.product and verdict.label != Label.SIMILAR:
                queries.append(_query_line(search, verdict, names))
            if wrong := _called_wrong(search, verdict):
                negatives.append({"photo": _one_or_all(names), "box": _box(search, verdict), "wrong": wrong})
        archive.writestr("queries.jsonl", "".join(json.dumps(line) + "\n" for line in queries))
        archive.writestr("negatives.jsonl", "".join(json.dumps(line) + "\n" for line in negatives))
        archive.writestr("README.txt", README)
    return count


def _judged_searches(agreed: dict[int, Verdict]) -> Iterator[Search]:
    judged = Search.objects.filter(pk__in=Verdict.objects.values("search"))
    rows = judged.order_by(F("best_calibrated").desc(nulls_last=True))
    for search in rows.prefetch_related("photos__photo", "results__product").iterator(chunk_size=100):
        if search.pk in agreed:
            yield search


def _keep_photos(archive: zipfile.ZipFile, search: Search, verdict: Verdict) -> list[str]:
    """Names in the archive of the search's photos; those deleted meanwhile are left out, and so the search."""
    folder = "absent" if verdict.label == Label.ABSENT else "photos"
    names = []
    for row in search.photos.all():
        try:
            picture = media.read_photo(storage.photo_picture(row.photo.uuid)).data
        except FileNotFoundError:
            return []
        names.append(f"{folder}/{search.pk}-{row.position}.jpg")
        archive.writestr(names[-1], picture)
    return names


def _query_line(search: Search, verdict: Verdict, names: list[str]) -> dict[str, Any]:
    assert verdict.product is not None
    first = search.photos.all()[0]
    is_found = first.box_source == SearchPhoto.BoxSource.FOUND
    line: dict[str, Any] = {
        "photo": _one_or_all(names),
        "relevant": [verdict.product.key],
        "product": verdict.product.name,
        "category": verdict.product.category,
    }
    if verdict.true_box:
        line["true_box"] = _of_first(verdict.true_box, names)
    if not is_found:  # what was found is left to be found again
        line["box"] = _of_first(verdict.true_box or first.box, names)
    if verdict.true_azimuth_deg is not None:
        line["azimuth_deg"] = verdict.true_azimuth_deg
        line["elevation_deg"] = verdict.true_elevation_deg
    return line


def _called_wrong(search: Search, verdict: Verdict) -> list[str]:
    """Keys of the answers before the right one; of the first five where none was right."""
    if verdict.label not in {Label.RIGHT, Label.VIEWPOINT, Label.WRONG}:
        return []
    before = 5 if verdict.rank is None else verdict.rank - 1
    return [
        row.product.key for row in list(search.results.all())[:before] if row.product_id != verdict.product_id
    ]


def _box(search: Search, verdict: Verdict) -> list[float] | None:
    return verdict.true_box or search.photos.all()[0].box


def _one_or_all(names: list[str]) -> str | list[str]:
    return names[0] if len(names) == 1 else names


def _of_first(box: Any, names: list[str]) -> Any:
    return box if len(names) == 1 else [box, *[None] * (len(names) - 1)]
