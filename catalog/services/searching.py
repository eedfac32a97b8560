"""Searches: asked by the web process, answered by a worker, once, whatever dies in between."""

from __future__ import annotations

import hashlib
import json
import logging
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

from celery.exceptions import SoftTimeLimitExceeded
from django.conf import settings
from django.db import IntegrityError, transaction
from django.utils import timezone
from django.utils.translation import gettext

from catalog import engine, jobs, media, operations, storage
from catalog.errors import (
    BadPhoto,
    Busy,
    Conflict,
    GenerationCorrupt,
    IndexUnreachable,
    MediaDown,
    NotPossible,
    ShapelensError,
)
from catalog.models import (
    DEFAULT_TAU,
    Asset,
    IndexGeneration,
    Photo,
    Product,
    Search,
    SearchPhoto,
    SearchResult,
)
from catalog.saying import FAILURES
from catalog.services import callbacks, finding, indexing, leases, photos, tuning

if TYPE_CHECKING:
    from ml.search.agreement import Agreement
    from ml.search.answers import Match, PhotoQuery, SearchAnswer
    from ml.types import Pose

__all__ = [
    "MAX_ATTEMPTS",
    "Asked",
    "cancel_search",
    "fail_search",
    "pose_fields",
    "request_again",
    "request_search",
    "run_search",
    "with_turns",
    "withdrawn_assets",
]

log = logging.getLogger(__name__)

MAX_ATTEMPTS = 3
TOP = 96  # products kept of an answer, to be filtered and widened
POSES = 6  # of them get a fitted pose at once
CROWD = 2  # searches waiting from which only CROWD_POSES do: the others stand where their box and view say
CROWD_POSES = 2
WHYS = 32  # of them say where they agree with the photo: a millisecond each

State = Search.State


@dataclass(frozen=True, slots=True)
class Asked:
    """What the shopper said of the photo: a box [x0, y0, x1, y1] in pixels of the upright photo as it was
    sent, the whole photo, or (neither) that the object has to be found; turn_deg as `SearchPhoto` has it."""

    box: list[float] | None = None
    is_whole: bool = False
    turn_deg: float | None = None

    @property
    def kind(self) -> str:
        if self.box is not None:
            return SearchPhoto.Asked.BOX
        return SearchPhoto.Asked.WHOLE if self.is_whole else SearchPhoto.Asked.FIND


def with_turns(asked: Sequence[Asked], turns_deg: Sequence[float | None], count: int) -> list[Asked]:
    """What was asked of all `count` photos, with these turns; those that `turns_deg` does not reach have none.

    Raises BadPhoto for more turns than photos.
    """
    if len(turns_deg) > count:
        raise BadPhoto(
            gettext("%(turns)s turns for %(n)s photos; send one a photo, in their order")
            % {"turns": len(turns_deg), "n": count}
        )
    missing = [None] * (count - len(turns_deg))
    return [
        replace(said, turn_deg=turn)
        for said, turn in zip(_of_all(asked, count), [*turns_deg, *missing], strict=True)
    ]


def _of_all(asked: Sequence[Asked], count: int) -> list[Asked]:
    """Photos that were not spoken of are searched as the first is, but for its box."""
    return [*asked, *[Asked(is_whole=asked[0].is_whole)] * (count - len(asked))]


# ---- asking -----------------------------------------------------------------------------


def request_search(
    sent: Sequence[photos.SentPhoto],
    asked: Sequence[Asked],
    *,
    tau: float,
    words: str = "",
    key: str = "",
    callback_url: str = "",
) -> Search:
    """A waiting search for the one object that all photos show; `asked` speaks of them in order, and those
    it does not reach are searched as the first is, but for its box.

    words: what products must be found by as well, as far as any is (`finding.by_words`).
    key: the same key with the same question gives the search there already is.
    Raises BadBox, NotPossible for a tau outside (0, 1], Busy where too many
    searches wait, Conflict for a key that came with another question.
    """
    _check_tau(tau)
    same = _Same.of(key, sent, asked, tau, callback_url, words) if key else None
    if same and (found := same.find()):
        return found
    _check_queue()
    for photo, said in zip(sent, asked, strict=False):
        if said.box is not None:
            photos.check_box(said.box, photo.width, photo.height)
    if callback_url:
        callbacks.check_url(callback_url)
    rows = [photos.store_photo(photo) for photo in sent]
    try:
        return _create(rows, asked, tau, words, same=same, callback_url=callback_url)
    except IntegrityError:
        if same and (found := same.find()):  # asked twice at once; the other was first
            return found
        raise


@dataclass(frozen=True, slots=True)
class _Same:
    """Hashes by which a question that is sent again is known."""

    key: str
    request: str

    @classmethod
    def of(
        cls,
        key: str,
        sent: Sequence[photos.SentPhoto],
        asked: Sequence[Asked],
        tau: float,
        callback_url: str,
        words: str,
    ) -> _Same:
        question = {
            "photos": [hashlib.sha256(photo.data).hexdigest() for photo in sent],
            "asked": [_hashed(said) for said in asked],
            "tau": tau,
            "callback": callback_url,
        } | ({"words": words} if words else {})
        text = json.dumps(question, sort_keys=True)
        return cls(hashlib.sha256(key.encode()).hexdigest(), hashlib.sha256(text.encode()).hexdigest())

    def find(self) -> Search | None:
        """Raises Conflict."""
        found = Search.objects.filter(key_hash=self.key).first()
        if found and found.request_hash != self.request:
            raise Conflict(
                gettext("this Idempotency-Key came with another photo or other fields; use a new key")
            )
        return found


def _hashed(said: Asked) -> dict[str, Any]:
    """A turn nobody knows is left out: releases without turns hashed the same question so."""
    values = asdict(said)
    if said.turn_deg is None:
        del values["turn_deg"]
    return values


def request_again(
    search: Search,
    asked: Asked | None = None,
    *,
    photo: int = 0,
    words: str | None = None,
    turns_deg: Sequence[float | None] | None = None,
    more: Sequence[photos.SentPhoto] = (),
) -> Search:
    """Another search in the same photos, and `more` of the same object.

    asked speaks of the photo at that position, but for its turn; what was asked of the others, and of all with
    None, stays.
    words, turns_deg: None keeps them. Raises BadBox, BadPhoto for a position or a number of photos there can't
    be, Busy.
    """
    _check_queue()
    rows = list(search.photos.select_related("photo"))
    if not 0 <= photo < len(rows):
        raise BadPhoto(
            gettext("the search has no photo %(at)s; it has %(n)s, counted from 0")
            % {"at": photo, "n": len(rows)}
        )
    if len(rows) + len(more) > settings.UPLOAD_PHOTOS:
        raise BadPhoto(
            gettext("%(n)s photos; send at most %(most)s of the same object")
            % {"n": len(rows) + len(more), "most": settings.UPLOAD_PHOTOS}
        )
    said = [Asked(row.asked_box, row.asked == SearchPhoto.Asked.WHOLE, row.turn_deg) for row in rows]
    if asked is not None:
        if asked.box is not None:
            photos.check_box(asked.box, rows[photo].photo.sent_width, rows[photo].photo.sent_height)
        said[photo] = replace(asked, turn_deg=said[photo].turn_deg)
    if turns_deg is not None:
        said = with_turns(said, turns_deg, len(rows))
    stored = [photos.store_photo(sent) for sent in more]
    return _create(
        [row.photo for row in rows] + stored,
        said + [Asked()] * len(stored),
        search.tau,
        search.words if words is None else words,
    )


def cancel_search(search: Search) -> bool:
    """Whoever works on it stops at its next stage. False where it had ended already."""
    ended = Search.objects.filter(pk=search.pk, state__in=Search.UNFINISHED).update(
        state=State.CANCELLED, lease_owner="", lease_until=None, finished_at=timezone.now()
    )
    if ended:
        callbacks.notify(search.pk)
    return bool(ended)


def _check_tau(tau: float) -> None:
    if not 0 < tau <= 1:
        raise NotPossible(
            gettext("tau %(tau)s is outside (0, 1]; %(usual)s is the default, less lets more shapes through")
            % {"tau": f"{tau:g}", "usual": DEFAULT_TAU}
        )


def _check_queue() -> None:
    """What could not be answered within about half a minute is refused. Raises Busy."""
    waiting = Search.objects.filter(state=State.QUEUED).count()
    workers = sum("search" in worker.queues for worker in operations.alive_workers())
    if waiting >= settings.SHAPELENS_QUEUE_LIMIT * max(1, workers):
        raise Busy(gettext("%(n)s searches are waiting; try again in a minute") % {"n": waiting})


def _create(
    rows: Sequence[Photo],
    asked: Sequence[Asked],
    tau: float,
    words: str,
    *,
    same: _Same | None = None,
    callback_url: str = "",
) -> Search:
    with transaction.atomic():
        search = Search.objects.create(
            tau=tau,
            words=words.strip()[:200],
            key_hash=same.key if same else None,
            request_hash=same.request if same else "",
        )
        if callback_url:
            callbacks.request_callback(search, callback_url)
        for position, (photo, said) in enumerate(zip(rows, _of_all(asked, len(rows)), strict=True)):
            SearchPhoto.objects.create(
                search=search,
                photo=photo,
                position=position,
                asked=said.kind,
                asked_box=said.box,
                turn_deg=said.turn_deg,
            )
        jobs.run_search(search)
    return search


# ---- answering --------------------------------------------------------------------------


def run_search(search_id: int) -> None:
    """Answer it, unless it has ended or somebody alive works on it. May run any number of times."""
    unfinished = Search.objects.filter(state__in=Search.UNFINISHED)
    lease = leases.claim(
        unfinished.filter(attempts__lt=MAX_ATTEMPTS),
        search_id,
        settings.SHAPELENS_LEASE_SECONDS,
        started_at=timezone.now(),
    )
    if lease is None:
        return
    with leases.holding(lease):
        search = Search.objects.get(pk=search_id)
        try:
            _answer(search, lease)
        except leases.LeaseLost:
            log.info("search %s was cancelled or taken over", search_id)
        except IndexUnreachable as error:  # names our server: for staff, who run it again
            log.error("search %s failed: %s", search_id, error)
            _fail(lease, error.code, FAILURES[error.code])
            raise
        except MediaDown as error:
            if search.attempts < MAX_ATTEMPTS:
                log.warning("search %s lost the media bucket; it is tried again", search_id)
                raise
            _fail(lease, error.code, str(error))
        except ShapelensError as error:
            _fail(lease, error.code, str(error))
        except SoftTimeLimitExceeded:
            _fail(lease, "too_slow", "the search took too long and was stopped; try again with a smaller box")
        except leases.DATABASE_GONE:
            log.warning("search %s lost the database; it is tried again", search_id)
            raise
        except Exception:
            log.exception("search %s failed", search_id)
            _fail(lease, "error", "something went wrong while searching; the photo is kept: try again")
            raise


def fail_search(search_id: int, code: str, message: str) -> None:
    """End an unfinished search that no worker holds with a reason."""
    ended = Search.objects.filter(pk=search_id, state__in=Search.UNFINISHED).update(
        state=State.FAILED,
        error_code=code,
        error_message=message,
        finished_at=timezone.now(),
        lease_owner="",
        lease_until=None,
    )
    if ended:
        callbacks.notify(search_id)


def _answer(search: Search, lease: leases.Lease) -> None:
    lease.write(state=State.LOOKING)
    rows = list(search.photos.select_related("photo"))
    queries = []
    for row in rows:
        picture = photos.open_upright(row.photo)
        row.box = _box_to_search(row)
        queries.append(engine.query(picture, row.box, row.turn_deg))
    try:
        generation, hashes, answer = _matched(search, lease, queries)
    except GenerationCorrupt as error:
        indexing.step_back(indexing.active_generation(), str(error))
        generation, hashes, answer = _matched(search, lease, queries)
    directories = {
        match.model_id: storage.asset_directory(hashes[match.model_id]) for match in answer.matches
    }
    # the first photo last: its outline is then at hand for its colors
    for place in reversed(range(len(rows))):
        fitted = answer.fitted_in(place)
        rows[place].outline = engine.outline_in_photo(
            queries[place].photo,
            answer.queries[place].box.as_tuple(),
            fitted,
            directories[fitted.model_id] if fitted else None,
        )
    colors = engine.colors_of_photo(queries[0].photo, answer.queries[0].box.as_tuple())
    media.fetch_all(folder / "thumbnail.jpg" for folder in directories.values())
    likeness = {
        model: finding.color_likeness(colors, engine.colors_of_model(folder))
        for model, folder in directories.items()
    }
    _save(search, lease, generation, rows, answer, colors, likeness)
    log.info("search %s: %d products by index %s", search.uuid, len(answer.matches), generation.pk)


def _matched(
    search: Search, lease: leases.Lease, queries: Sequence[PhotoQuery]
) -> tuple[IndexGeneration, dict[int, str], SearchAnswer]:
    """The answer, by which generation, and the hashes of that generation's models."""
    generation = indexing.active_generation()
    hashes = dict(generation.assets.values_list("pk", "hash"))
    used, kept = finding.by_words(search.words)
    Search.objects.filter(pk=search.pk).update(words_used=used)
    withdrawn = withdrawn_assets(generation)
    if kept is not None:
        withdrawn |= frozenset(hashes) - kept
    answer = engine.search(
        indexing.folders(generation),
        queries,
        tau=search.tau,
        top=TOP,
        withdrawn=withdrawn,
        model_directory=lambda asset: media.searched_files(hashes[asset]),
        on_stage=lambda stage: _tell(lease, stage),
        on_matches=lambda early: _save_early(search, lease, generation, early),
        pose_top=_poses(),
        why_top=WHYS,
    )
    return generation, hashes, answer


def _poses() -> int:
    """Fitting is over half of a search: with others waiting, the products further down go without."""
    waiting = Search.objects.filter(state=State.QUEUED).count()
    return POSES if waiting < CROWD else CROWD_POSES


def _save_early(
    search: Search, lease: leases.Lease, generation: IndexGeneration, answer: SearchAnswer
) -> None:
    """The products, before their poses are known: a shopper may look at them already."""
    results = _results(search, answer, {})
    with transaction.atomic():
        lease.write(is_no_match=_is_no_match(generation, answer))
        search.results.all().delete()
        SearchResult.objects.bulk_create(results)


def _tell(lease: leases.Lease, stage: str) -> None:
    if stage in Search.STAGES:
        lease.write(state=stage)


def _box_to_search(row: SearchPhoto) -> list[float] | None:
    """In the stored photo's pixels; None where the object has to be found."""
    photo = row.photo
    assert photo.width is not None
    assert photo.height is not None
    if row.asked == SearchPhoto.Asked.FIND:
        return None
    drawn = row.drawn_box
    if drawn is None:
        return [0.0, 0.0, float(photo.width), float(photo.height)]
    return photos.check_box(drawn, photo.width, photo.height)


def withdrawn_assets(generation: IndexGeneration) -> frozenset[int]:
    """Models of the generation that no offered product uses."""
    indexed = Asset.objects.filter(generations=generation).values_list("pk", flat=True)
    offered = Product.objects.filter(is_withdrawn=False, asset__isnull=False).values_list("asset", flat=True)
    return frozenset(set(indexed) - set(offered))


def _save(
    search: Search,
    lease: leases.Lease,
    generation: IndexGeneration,
    rows: Sequence[SearchPhoto],
    answer: SearchAnswer,
    colors: list[float],
    likeness: dict[int, float],
) -> None:
    """All of the answer or none of it."""
    results = _results(search, answer, likeness)
    with transaction.atomic():
        lease.write(
            state=State.DONE,
            finished_at=timezone.now(),
            generation=generation,
            tau_used=answer.tau_used,
            is_widened=answer.widened,
            is_no_match=_is_no_match(generation, answer),
            best_calibrated=answer.best,
            colors=colors,
            seconds={name: round(value, 4) for name, value in answer.seconds.items()},
            error_code="",
            error_message="",
        )
        for row, info in zip(rows, answer.queries, strict=True):
            row.box = list(info.box.as_tuple())
            row.box_source = _box_source(row, info.box_source)
            row.detections = [
                {"box": list(found.box.as_tuple()), "score": round(float(found.score), 4)}
                for found in info.detections
            ]
            row.save(update_fields=["box", "box_source", "detections", "outline"])
        search.results.all().delete()
        SearchResult.objects.bulk_create(results)
        callbacks.notify(search.pk)


def _is_no_match(generation: IndexGeneration, answer: SearchAnswer) -> bool:
    """By the cut-off that staff applied, else by the index's own."""
    cut_off = tuning.current(generation)
    return answer.no_match if cut_off is None or answer.best is None else answer.best < cut_off.value


def _box_source(row: SearchPhoto, said: str) -> str:
    """A box we made of "whole photo" is not the shopper's."""
    return SearchPhoto.BoxSource.WHOLE if row.asked == SearchPhoto.Asked.WHOLE else said


def _results(search: Search, answer: SearchAnswer, likeness: dict[int, float]) -> list[SearchResult]:
    assets = [match.model_id for match in answer.matches]
    offered = Product.objects.filter(asset__in=assets, is_withdrawn=False).order_by("-pk")
    products = {product.asset_id: product.pk for product in offered}  # the oldest of each asset
    known = [match for match in answer.matches if match.model_id in products]
    return [
        _result(search, rank, products[match.model_id], match, likeness.get(match.model_id))
        for rank, match in enumerate(known, start=1)
    ]


def _result(search: Search, rank: int, product: int, match: Match, color: float | None) -> SearchResult:
    first = match.model_id * Asset.VIEWS_LIMIT
    return SearchResult(
        search=search,
        rank=rank,
        product_id=product,
        asset_id=match.model_id,
        view_index=match.view_id - first,
        azimuth_deg=math.degrees(match.view.azimuth),
        elevation_deg=math.degrees(match.view.elevation),
        photo_index=match.views[0].photo,
        total=match.total,
        color=color,
        others=[
            {
                "view_index": other.view_id - first,
                "azimuth_deg": math.degrees(other.view.azimuth),
                "elevation_deg": math.degrees(other.view.elevation),
            }
            for other in match.others
        ],
        agreement=_agreement_fields(match.agreement),
        score=float(match.score),
        calibrated=float(match.calibrated),
        confidence=match.confidence,
        pose=pose_fields(match.pose) if match.pose else None,
    )


def _agreement_fields(found: Agreement | None) -> dict[str, Any] | None:
    if found is None:
        return None
    return {
        "values": [[round(float(value), 5) for value in row] for row in found.values],
        "score": round(found.score, 5),
        "down": found.down,
        "right": found.right,
    }


def pose_fields(pose: Pose) -> dict[str, Any]:
    """A pose as the API gives it; the camera looks at the stored photo's pixels."""
    camera = pose.camera
    return {
        "azimuth_deg": math.degrees(pose.azimuth),
        "elevation_deg": math.degrees(pose.elevation),
        "camera": {
            "fx": float(camera.fx),
            "fy": float(camera.fy),
            "cx": float(camera.cx),
            "cy": float(camera.cy),
            "width": int(camera.width),
            "height": int(camera.height),
            "camera_from_model": [float(value) for value in camera.camera_from_model.ravel()],
        },
        "silhouette_iou": None if pose.silhouette_iou is None else float(pose.silhouette_iou),
    }


def _fail(lease: leases.Lease, code: str, message: str) -> None:
    try:
        lease.write(state=State.FAILED, error_code=code, error_message=message, finished_at=timezone.now())
    except leases.LeaseLost:
        log.info("search %s ended after it was cancelled or taken over", lease.pk)
    else:
        callbacks.notify(lease.pk)
