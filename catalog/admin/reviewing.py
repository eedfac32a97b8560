"""The review queue, its verdicts, the plots, and the cut-off: how good matching is, and where it fails."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable
from datetime import date
from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import FileResponse, HttpRequest, HttpResponse, HttpResponseBase, JsonResponse
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.dateparse import parse_date
from unfold.decorators import action

from catalog import quality
from catalog.admin.base import ReadOnlyAdmin
from catalog.admin.pictures import photo_picture, state_badge
from catalog.errors import NoIndex, ShapelensError
from catalog.models import CutOff, IndexGeneration, Search, Verdict
from catalog.services import indexing, reviewing, tuning

__all__ = ["CutOffAdmin", "VerdictAdmin"]

View = Callable[..., HttpResponseBase]

_KEYS = {"right": "R", "similar": "S", "wrong": "W", "bad_crop": "C", "viewpoint": "V", "absent": "N"}


@admin.register(Verdict)
class VerdictAdmin(ReadOnlyAdmin):
    list_display = ("picture", "badge", "product", "rank", "reviewer", "seconds_text", "created_at", "case")
    list_display_links = ("picture", "badge")
    list_filter = ("label", "reviewer")
    list_select_related = ("product", "reviewer", "search")
    list_per_page = 50
    actions_list = ("open_queue", "open_plots", "export")
    fields = (
        "picture", "badge", "product", "rank", "true_box", "true_azimuth_deg", "true_elevation_deg", "note",
        "reviewer", "seconds_text", "created_at", "case",
    )  # fmt: skip

    def get_queryset(self, request: HttpRequest) -> Any:
        return super().get_queryset(request).prefetch_related("search__photos__photo")

    def has_review_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("catalog.add_verdict")

    def get_urls(self) -> list[URLPattern]:
        def at(address: str, view: View, name: str) -> URLPattern:
            return path(address, self.admin_site.admin_view(view), name=f"catalog_verdict_{name}")

        return [
            at("review/", self.review_view, "review"),
            at("review/next/", self.next_view, "next"),
            at("review/<int:pk>/", self.case_view, "case"),
            at("review/<int:pk>/record/", self.record_view, "record"),
            at("review/undo/", self.undo_view, "undo"),
            at("review/products/", self.products_view, "products"),
            at("quality/", self.quality_view, "quality"),
            at("quality/data/", self.quality_data_view, "quality_data"),
            at("export.zip", self.export_view, "export_zip"),
            *super().get_urls(),
        ]

    # ---- the list -------------------------------------------------------------------------

    @admin.display(description="photo")
    def picture(self, verdict: Verdict) -> str:
        rows = list(verdict.search.photos.all())
        return photo_picture(rows[0].photo, 64, verdict.true_box or rows[0].box) if rows else "–"

    @admin.display(description="verdict", ordering="label")
    def badge(self, verdict: Verdict) -> str:
        return state_badge(verdict.label, verdict.get_label_display())

    @admin.display(description="seconds", ordering="seconds")
    def seconds_text(self, verdict: Verdict) -> str:
        return f"{verdict.seconds:.1f}"

    @admin.display(description="case")
    def case(self, verdict: Verdict) -> str:
        return quality.case_link(verdict.search_id)

    @action(permissions=["review"], description="Review searches")
    def open_queue(self, request: HttpRequest) -> HttpResponse:
        return redirect("admin:catalog_verdict_review")

    @action(description="Plots")
    def open_plots(self, request: HttpRequest) -> HttpResponse:
        return redirect("admin:catalog_verdict_quality")

    @action(description="Export as labeled queries")
    def export(self, request: HttpRequest) -> HttpResponse:
        return redirect("admin:catalog_verdict_export_zip")

    # ---- reviewing --------------------------------------------------------------------------

    def review_view(self, request: HttpRequest) -> HttpResponse:
        self._allow(request, "add_verdict")
        return self._review_page(request, None)

    def case_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """One case, whoever has judged it. Who may not judge looks at it, with what others said."""
        self._allow(request, "view_verdict")
        if get_object_or_404(Search, pk=pk).state != Search.State.DONE:
            messages.info(request, "This search has no answers to look at.")
            return redirect("admin:catalog_search_change", pk)
        return self._review_page(request, pk)

    def _review_page(self, request: HttpRequest, pk: int | None) -> HttpResponse:
        may_judge = self.has_review_permission(request)
        config = {
            "judges": may_judge,
            "next": reverse("admin:catalog_verdict_next"),
            "undo": reverse("admin:catalog_verdict_undo"),
            "products": reverse("admin:catalog_verdict_products"),
            "case": pk,
        }
        context = {
            **self.admin_site.each_context(request),
            "title": "Review searches" if may_judge else f"Search {pk}",
            "config": config,
            "may_judge": may_judge,
            "labels": [(key, Verdict.Label(key).label, letter) for key, letter in _KEYS.items()],
            "categories": quality.categories(),
            "generations": quality.answering_generations(),
            "agreement": reviewing.agreement(),
        }
        return TemplateResponse(request, "admin/catalog/review.html", context)

    def next_view(self, request: HttpRequest) -> JsonResponse:
        """The next case of the queue, locked; or the one that was asked for."""
        if request.GET.get("case"):
            self._allow(request, "view_verdict")
            search = get_object_or_404(Search, pk=_whole(request.GET["case"]), state=Search.State.DONE)
            return JsonResponse({"case": quality.case_fields(search, request.user), "left": None})
        self._allow(request, "add_verdict")
        return self._next(request)

    def record_view(self, request: HttpRequest, pk: int) -> JsonResponse:
        """A verdict; answers with the next case."""
        self._allow(request, "add_verdict")
        if request.method != "POST":
            return JsonResponse({"problem": "send it with POST"}, status=405)
        search = get_object_or_404(Search, pk=pk, state=Search.State.DONE)
        try:
            reviewing.record(search, request.user, _judged(json.loads(request.body)))
            return self._next(request)
        except (ShapelensError, ValueError, TypeError, KeyError) as error:
            return JsonResponse({"problem": str(error)}, status=409)

    def undo_view(self, request: HttpRequest) -> JsonResponse:
        """Take back one's last verdict."""
        self._allow(request, "delete_verdict")
        if request.method != "POST":
            return JsonResponse({"problem": "send it with POST"}, status=405)
        search = reviewing.undo(request.user)
        if search is None:
            return JsonResponse({"problem": "there is no verdict of yours to take back"}, status=409)
        return JsonResponse({"case": quality.case_fields(search, request.user), "left": None})

    def products_view(self, request: HttpRequest) -> JsonResponse:
        """Products by words of their name: for the right one that was not answered."""
        self._allow(request, "add_verdict")
        return JsonResponse({"products": quality.product_choices(request.GET.get("q", ""))})

    def _next(self, request: HttpRequest) -> JsonResponse:
        try:
            chosen = _filter(request)
            skipped = [_whole(text) for text in request.GET.get("skipped", "").split(",") if text][-500:]
            search = reviewing.take(request.user, chosen, skipped=skipped)
            left = reviewing.queue(request.user, chosen).order_by()[: quality.COUNTED].count()
        except ShapelensError as error:
            return JsonResponse({"problem": str(error)}, status=400)
        case = quality.case_fields(search, request.user) if search else None
        return JsonResponse({"case": case, "left": left})

    # ---- looking ----------------------------------------------------------------------------

    def quality_view(self, request: HttpRequest) -> HttpResponse:
        self._allow(request, "view_verdict")
        context = {
            **self.admin_site.each_context(request),
            "title": "How well matching works",
            "categories": quality.categories(),
            "generations": quality.answering_generations(),
            "data_url": reverse("admin:catalog_verdict_quality_data"),
        }
        return TemplateResponse(request, "admin/catalog/quality.html", context)

    def quality_data_view(self, request: HttpRequest) -> JsonResponse:
        self._allow(request, "view_verdict")
        chosen = _filter(request)
        return JsonResponse(quality.figures(chosen))

    def export_view(self, request: HttpRequest) -> HttpResponseBase:
        self._allow(request, "view_verdict")
        file = tempfile.TemporaryFile()  # noqa: SIM115  (closed by the response)
        count = reviewing.export(file)
        if not count:
            file.close()
            messages.error(
                request, "There is no verdict yet that reviewers agree on; review some searches first."
            )
            return redirect("admin:catalog_verdict_changelist")
        file.seek(0)
        return FileResponse(file, as_attachment=True, filename="verdicts.zip", content_type="application/zip")

    def _allow(self, request: HttpRequest, codename: str) -> None:
        if not request.user.has_perm(f"catalog.{codename}") or not request.user.has_perm(
            "catalog.view_photo"
        ):
            raise PermissionDenied


def _filter(request: HttpRequest) -> reviewing.QueueFilter:
    got = request.GET.get

    def day(name: str) -> date | None:
        try:
            return parse_date(got(name, ""))
        except ValueError:
            return None

    return reviewing.QueueFilter(
        show=got("show", "open"),
        order=got("order", "unsure"),
        category=got("category", ""),
        since=day("since"),
        until=day("until"),
        generation=_whole(got("generation", "")) or None,
    )


def _judged(said: dict[str, Any]) -> reviewing.Judged:
    """Raises ValueError, TypeError where a value is not of its kind."""

    def number(name: str, kind: Callable[[Any], Any]) -> Any:
        return None if said.get(name) is None else kind(said[name])

    box = said.get("true_box")
    if box is not None and len(box) != 4:
        raise ValueError("a box has four edges: x0, y0, x1, y1")
    return reviewing.Judged(
        label=str(said.get("label")),
        rank=number("rank", int),
        product=number("product", int),
        true_box=None if box is None else [float(edge) for edge in box],
        true_azimuth_deg=number("true_azimuth_deg", float),
        true_elevation_deg=number("true_elevation_deg", float),
        note=str(said.get("note") or ""),
        seconds=float(said.get("seconds") or 0),
    )


def _whole(text: str) -> int:
    return int(text) if text.isdecimal() and len(text) < 18 else 0


@admin.register(CutOff)
class CutOffAdmin(ReadOnlyAdmin):
    list_display = ("value", "reason", "author", "created_at", "undone_at", "embedder")
    list_select_related = ("author",)
    actions_list = ("open_tuning",)

    def has_tune_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("catalog.add_cutoff")

    def get_urls(self) -> list[URLPattern]:
        wrap = self.admin_site.admin_view
        return [path("tune/", wrap(self.tune_view), name="catalog_cutoff_tune"), *super().get_urls()]

    @action(description="Tune on a plot")
    def open_tuning(self, request: HttpRequest) -> HttpResponse:
        return redirect("admin:catalog_cutoff_tune")

    def tune_view(self, request: HttpRequest) -> HttpResponse:
        if not request.user.has_perm("catalog.view_cutoff"):
            raise PermissionDenied
        try:
            generation = indexing.active_generation()
        except NoIndex as error:
            messages.error(request, str(error))
            return redirect("admin:catalog_cutoff_changelist")
        if request.method == "POST":
            return self._change(request, generation)
        applied = tuning.current(generation)
        built_in = tuning.built_in(generation)
        context = {
            **self.admin_site.each_context(request),
            "title": "Cut-off: when to say “nothing similar”",
            "generation": generation,
            "applied": applied,
            "built_in": built_in,
            "history": CutOff.objects.select_related("author").filter(
                embedder=tuning.embedder_of(generation)
            )[:10],
            "may_tune": self.has_tune_permission(request),
            "data": {
                "points": quality.scored_cases(generation),
                "value": applied.value if applied else built_in,
                "built_in": built_in,
            },
        }
        return TemplateResponse(request, "admin/catalog/tune.html", context)

    def _change(self, request: HttpRequest, generation: IndexGeneration) -> HttpResponse:
        if not self.has_tune_permission(request):
            raise PermissionDenied
        try:
            if "undo" in request.POST:
                undone = tuning.undo(generation)
                messages.success(request, f"{undone} is undone; the next search uses what held before.")
            else:
                value = float(request.POST.get("value", "nan").replace(",", "."))
                done = tuning.apply(generation, value, request.POST.get("reason", ""), request.user)
                messages.success(request, f"{done} holds from the next search on.")
        except ValueError:
            messages.error(request, "The cut-off must be a number, such as -0.25.")
        except ShapelensError as error:
            messages.error(request, str(error))
        return redirect("admin:catalog_cutoff_tune")
