"""Addresses of the API: each translates HTTP into a service or a selector."""

from __future__ import annotations

import math
from typing import Annotated, Any
from uuid import UUID

from django.conf import settings
from django.http import Http404, HttpRequest
from django.urls import reverse
from django.utils.translation import gettext
from ninja import File, Form, Header
from ninja.files import UploadedFile

from catalog import selectors
from catalog.errors import BadBox, BadPhoto
from catalog.models import DEFAULT_TAU, Callback, Search
from catalog.services import searching, sharing, tokens
from catalog.services.photos import SentPhoto
from catalog.services.searching import Asked
from webapp import limits, uploads
from webapp.api import managing
from webapp.api.problems import ProblemAPI, TooMany, add_handlers
from webapp.api.schemas import (
    AgainIn,
    FeedbackIn,
    ProductOut,
    ProductsOut,
    SampleOut,
    SearchOut,
    ShareIn,
    ShareOut,
    SubmittedOut,
    TurnsIn,
    WordsIn,
)

__all__ = ["api"]

api = ProblemAPI(
    title="Shapelens",
    version="1",
    description="Photos in, CAD products out, with the viewpoint from which each was seen.",
    urls_namespace="api-1",
    docs_url="/docs",
)
add_handlers(api)
api.add_router("", managing.router)


@api.post("/searches", response={202: SubmittedOut}, tags=["search"])
def submit(
    request: HttpRequest,
    photo: File[list[UploadedFile]] = [],  # noqa: B006  (django-ninja's way to say "may be absent")
    sample: Form[str] = "",
    box: Form[list[str]] = [],  # noqa: B006
    turn: Form[list[str]] = [],  # noqa: B006
    tau: Form[float] = DEFAULT_TAU,
    words: Annotated[str, Form(max_length=200)] = "",
    callback_url: Form[str] = "",
    idempotency_key: Annotated[str, Header(alias="Idempotency-Key", max_length=200)] = "",
) -> Any:
    """Search with one or several photos of one object, or with a sample photo.

    box: "x0,y0,x1,y1" in pixels of the upright photo, "full", or nothing: the object is found. One a photo,
    in their order; photos beyond the last are looked through by themselves.
    turn: degrees by which the camera had gone around the thing since the first photo, counter-clockwise seen from
    above, or nothing where that isn't known. One a photo, in their order: "0", "90".
    words: "oak", "with drawers": only products they go with are searched; words none goes with are left out.
    callback_url: told when the search has ended, signed as Standard Webhooks are with `callback_secret` of
    the answer; its host must be one that this server allows.
    Idempotency-Key: sent again with the same request, it gives the same search.
    """
    _limit(request)
    if len(photo) > settings.UPLOAD_PHOTOS:
        raise BadPhoto(
            gettext("%(n)s photos; send at most %(most)s of the same object")
            % {"n": len(photo), "most": settings.UPLOAD_PHOTOS}
        )
    sent = [uploads.read_photo(file) for file in photo] or [_sample(sample)]
    if len(box) > len(sent):
        raise BadBox(
            gettext("%(boxes)s boxes for %(n)s photos; send one box a photo, in their order")
            % {"boxes": len(box), "n": len(sent)}
        )
    asked = [_asked(text) for text in box] or [Asked()]
    if turn:
        asked = searching.with_turns(asked, _turns(turn), len(sent))
    found = searching.request_search(
        sent,
        asked,
        tau=tau,
        words=words,
        key=idempotency_key,
        callback_url=callback_url,
    )
    return 202, _submitted(found)


@api.post("/searches/{uuid:uuid}/box", response={202: SubmittedOut}, tags=["search"])
def again(request: HttpRequest, uuid: UUID, body: AgainIn) -> Any:
    """Search the same photos with another box in one of them."""
    _limit(request)
    if isinstance(body.box, list):
        asked = Asked(box=_edges([str(edge) for edge in body.box]))
    else:
        asked = Asked(is_whole=body.box == "full")
    return 202, _submitted(searching.request_again(_search(uuid), asked, photo=body.photo))


@api.post("/searches/{uuid:uuid}/words", response={202: SubmittedOut}, tags=["search"])
def with_words(request: HttpRequest, uuid: UUID, body: WordsIn) -> Any:
    """Search the same photos and boxes with other words, or with none."""
    _limit(request)
    return 202, _submitted(searching.request_again(_search(uuid), words=body.words))


@api.post("/searches/{uuid:uuid}/turns", response={202: SubmittedOut}, tags=["search"])
def with_turns(request: HttpRequest, uuid: UUID, body: TurnsIn) -> Any:
    """Search the same photos and boxes, now that the angles between the photos are known."""
    _limit(request)
    return 202, _submitted(searching.request_again(_search(uuid), turns_deg=body.turns_deg))


@api.post("/searches/{uuid:uuid}/photos", response={202: SubmittedOut}, tags=["search"])
def with_photos(request: HttpRequest, uuid: UUID, photo: File[list[UploadedFile]]) -> Any:
    """Search with more photos of the same object."""
    _limit(request)
    more = [uploads.read_photo(file) for file in photo]
    return 202, _submitted(searching.request_again(_search(uuid), more=more))


@api.delete("/searches/{uuid:uuid}", response={204: None}, tags=["search"])
def delete(request: HttpRequest, uuid: UUID) -> Any:
    """Delete the photos now, with every search, share and feedback that shows them."""
    sharing.delete_photos(_search(uuid))
    return 204, None


@api.post("/searches/{uuid:uuid}/feedback", response={204: None}, tags=["search"])
def feedback(request: HttpRequest, uuid: UUID, body: FeedbackIn) -> Any:
    """Say that a product is or is not the one in the photo, or where its model stands in it."""
    found = _search(uuid)
    if body.camera is not None:
        sharing.place_by_hand(found, body.product, body.camera.dict())
    elif body.said is None:
        sharing.take_back(found, body.product)
    else:
        sharing.verdict(found, body.product, is_it=body.said == "is_it")
    return 204, None


@api.post("/searches/{uuid:uuid}/shares", response={201: ShareOut}, tags=["search"])
def share(request: HttpRequest, uuid: UUID, body: ShareIn) -> Any:
    """A link to one product over the photo, which tells nothing else of the search and expires."""
    made = sharing.share_result(_search(uuid), body.product)
    url = request.build_absolute_uri(made.get_absolute_url())
    return 201, {"token": made.token, "url": url, "expires_at": made.expires_at}


@api.delete("/searches/{uuid:uuid}/shares/{token}", response={204: None}, tags=["search"])
def unshare(request: HttpRequest, uuid: UUID, token: str) -> Any:
    """The link leads nowhere from now on."""
    sharing.unshare(_search(uuid), token)
    return 204, None


@api.post("/searches/{uuid:uuid}/cancel", response=SearchOut, tags=["search"])
def cancel(request: HttpRequest, uuid: UUID) -> Any:
    """Stop a search that has not ended."""
    searching.cancel_search(_search(uuid))
    return selectors.search_fields(_search(uuid))


@api.get("/searches/{uuid:uuid}", response=SearchOut, tags=["search"])
def search(request: HttpRequest, uuid: UUID) -> Any:
    """State and, once done, results. Poll it."""
    return selectors.search_fields(_search(uuid))


@api.get("/samples", response=list[SampleOut], tags=["search"])
def samples(request: HttpRequest) -> Any:
    """Photos to try: our own renderings of the sample catalog."""
    return list(selectors.sample_list())


@api.get("/products", response=ProductsOut, tags=["products"])
def products(request: HttpRequest, page: int = 1, q: str = "", category: str = "") -> Any:
    found = selectors.product_page(number=page, text=q, category=category)
    return {
        "page": found.number,
        "pages": found.paginator.num_pages,
        "count": found.paginator.count,
        "products": [selectors.product_fields(row) for row in found],
    }


@api.get("/products/{int:pk}", response=ProductOut, tags=["products"])
def product(request: HttpRequest, pk: int) -> Any:
    row = selectors.shown_products().filter(pk=pk).first()
    if row is None:
        raise Http404(gettext("there is no such product; it may have been withdrawn"))
    return selectors.product_fields(row)


def _limit(request: HttpRequest) -> None:
    """Raises TooMany. Who comes with a token is counted by it, whatever the address."""
    kind, _, key = request.headers.get("Authorization", "").partition(" ")
    token = tokens.find(key) if kind.casefold() == "bearer" else None
    who = f"token-{token.pk}" if token else ""
    if wait := limits.seconds_to_wait(request, "search", settings.SHAPELENS_SEARCH_RATE, who):
        raise TooMany(wait)


def _search(uuid: UUID) -> Search:
    found = selectors.search_by_uuid(uuid)
    if found is None:
        raise Http404(gettext("there is no such search; it may have been deleted"))
    return found


def _submitted(search: Search) -> dict[str, str | None]:
    callback = Callback.objects.filter(search=search).first()
    return {
        "id": str(search.uuid),
        "url": search.get_absolute_url(),
        "api_url": reverse("api-1:search", args=[search.uuid]),
        "callback_secret": callback.secret if callback else None,
    }


def _sample(name: str) -> SentPhoto:
    if not name:
        raise BadPhoto(gettext("no photo was sent; attach one as the field `photo`, or name a sample"))
    path = selectors.sample_file(name)
    if path is None:
        raise BadPhoto(
            gettext("there is no sample photo %(name)s; GET /api/v1/samples lists them")
            % {"name": repr(name)}
        )
    return uploads.sample_photo(path, name)


def _asked(text: str) -> Asked:
    if not text:
        return Asked()
    return Asked(is_whole=True) if text == "full" else Asked(box=_edges(text.split(",")))


def _turns(texts: list[str]) -> list[float | None]:
    turns: list[float | None] = []
    for text in texts:
        try:
            turn = float(text) if text.strip() else None
        except ValueError:
            turn = math.nan
        if turn is not None and not abs(turn) <= 360:
            raise BadPhoto(
                gettext("the turn %(turn)s is not a number of degrees from -360 to 360")
                % {"turn": repr(text[:40])}
            )
        turns.append(turn)
    return turns


def _edges(parts: list[str]) -> list[float]:
    try:
        edges = [float(part) for part in parts]
    except ValueError:
        edges = []
    if len(edges) != 4 or not all(map(math.isfinite, edges)):
        raise BadBox(
            gettext("the box %(box)s is not four numbers; give x0,y0,x1,y1 in pixels")
            % {"box": repr(",".join(parts)[:80])}
        )
    return edges
