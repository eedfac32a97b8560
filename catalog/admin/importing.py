"""Imports: sent or named, looked at before anything changes, corrected in bulk, watched, ended, reported."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.db import transaction
from django.db.models import Count, Q, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseBase, JsonResponse, StreamingHttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.html import format_html

from catalog import jobs, selectors
from catalog.admin import uploading as pieces
from catalog.admin.asking import ask, is_confirmed
from catalog.admin.base import ReadOnlyAdmin
from catalog.admin.pictures import state_badge, thumbnail
from catalog.errors import ShapelensError
from catalog.models import Asset, Catalog, ImportItem, ImportRun
from catalog.services import importing, uploading

__all__ = ["CorrectionForm", "ImportItemAdmin", "ImportRunAdmin"]

State = ImportRun.State
Outcome = ImportItem.Outcome
_PAGE = 60  # models shown at a time
_PERSON_M = 1.75
_SCALE_PX = 90


class _Form(forms.Form):
    """What is to be imported. upload: id of one that was sent; path: of one on the server."""

    upload = forms.CharField(required=False, widget=forms.HiddenInput)
    path = forms.CharField(
        required=False,
        max_length=1000,
        label="Path on the server",
        help_text="A folder, .zip, .sh3f or one model.",
    )
    name = forms.CharField(
        required=False, max_length=120, label="Catalog", help_text="Empty: the file's name."
    )
    unit = forms.ChoiceField(
        required=False, choices=[("", "what the files say, else a guess"), *ImportRun.Unit.choices]
    )
    up = forms.ChoiceField(
        required=False, label="Up axis", choices=[("", "what the files say, else y"), *ImportRun.Up.choices]
    )
    front = forms.ChoiceField(
        required=False,
        label="Front axis",
        choices=[("", "what the files say, else +z"), *ImportRun.Front.choices],
    )
    excluded = forms.CharField(
        required=False, label="Categories left out", help_text="Separated by commas, such as Lights, Doors."
    )
    withdraws_missing = forms.BooleanField(
        required=False,
        label="Withdraw products of this catalog that the source has no longer",
        help_text="They can be offered again later. Unticked, they stay offered.",
    )
    builds_index = forms.BooleanField(
        required=False,
        initial=True,
        label="Rebuild the index afterwards",
        help_text="The old one serves until then.",
    )


class CorrectionForm(forms.Form):
    """What an admin says over the source, of several models at once."""

    unit = forms.ChoiceField(required=False, choices=[("", "unit"), *ImportRun.Unit.choices])
    up = forms.ChoiceField(
        required=False,
        choices=[("", "up axis"), *((value, f"{label} is up") for value, label in ImportRun.Up.choices)],
    )
    front = forms.ChoiceField(
        required=False,
        choices=[
            ("", "front axis"),
            *((value, f"{label} is front") for value, label in ImportRun.Front.choices),
        ],
    )
    category = forms.CharField(
        required=False, max_length=200, widget=forms.TextInput(attrs={"placeholder": "category"})
    )

    def corrected(self) -> importing.Corrected:
        return importing.Corrected(**self.cleaned_data)


@admin.register(ImportRun)
class ImportRunAdmin(ReadOnlyAdmin):
    list_display = ("catalog", "badge", "progress", "failures", "created_at", "finished_at", "error")
    list_filter = ("state", "catalog")
    list_select_related = ("catalog",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[ImportRun]:
        rows: QuerySet[ImportRun] = super().get_queryset(request)
        failed = Count("items", filter=Q(items__outcome=Outcome.FAILED))
        return rows.annotate(failed_n=failed)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("catalog.add_importrun")

    def get_urls(self) -> list[URLPattern]:
        wrap = self.admin_site.admin_view
        return [
            path("uploads/", wrap(self.upload_create_view), name="catalog_importrun_uploads"),
            path("uploads/<str:upload_id>/", wrap(self.upload_view), name="catalog_importrun_upload"),
            path("<int:pk>/progress/", wrap(self.progress_view), name="catalog_importrun_progress"),
            path("<int:pk>/do/<str:what>/", wrap(self.do_view), name="catalog_importrun_do"),
            path("<int:pk>/correct/", wrap(self.correct_view), name="catalog_importrun_correct"),
            path("<int:pk>/report.csv", wrap(self.report_view), name="catalog_importrun_report"),
            *super().get_urls(),
        ]

    # ---- the list ---------------------------------------------------------------------------

    @admin.display(description="state", ordering="state")
    def badge(self, run: ImportRun) -> str:
        return state_badge(run.state, run.get_state_display())

    @admin.display(description="files")
    def progress(self, run: ImportRun) -> str:
        share = 100 * run.processed / run.total if run.total else 0
        return format_html(
            '{} of {}<progress max="100" value="{}" style="display:block;width:9rem"></progress>',
            run.processed,
            run.total,
            round(share),
        )

    @admin.display(description="failed", ordering="failed_n")
    def failures(self, run: Any) -> str:
        if not run.failed_n:
            return "0"
        address = reverse("admin:catalog_importitem_changelist")
        return format_html('<a href="{}?run__id={}&outcome=failed">{}</a>', address, run.pk, run.failed_n)

    # ---- a new one --------------------------------------------------------------------------

    def add_view(self, request: HttpRequest, form_url: str = "", extra_context: Any = None) -> HttpResponse:
        self._may_import(request)
        form = _Form(request.POST or None)
        if request.method == "POST" and form.is_valid():
            try:
                run = self._begin(form.cleaned_data, is_preview="now" not in request.POST)
            except ShapelensError as error:
                form.add_error(None, str(error))
            else:
                return redirect("admin:catalog_importrun_change", run.pk)
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": "Import a catalog",
            "form": form,
            "catalogs": Catalog.objects.values_list("name", flat=True),
            "uploads_url": reverse("admin:catalog_importrun_uploads"),
        }
        return TemplateResponse(request, "admin/catalog/import_new.html", context)

    def _begin(self, said: dict[str, Any], *, is_preview: bool) -> ImportRun:
        """Raises ShapelensError."""
        if bool(said["upload"]) == bool(said["path"]):
            raise ShapelensError("Choose a file to send, or give the path of one on the server.")
        source = uploading.finished_file(said["upload"]) if said["upload"] else Path(said["path"])
        options = importing.ImportOptions(
            unit=said["unit"],
            up=said["up"],
            front=said["front"],
            excluded_categories=tuple(name.strip() for name in said["excluded"].split(",") if name.strip()),
            is_indexed_after=said["builds_index"],
            is_preview=is_preview,
            withdraws_missing=said["withdraws_missing"],
        )
        with transaction.atomic():
            run = importing.request_import(source, name=said["name"], options=options)
            jobs.run_import(run)
        return run

    def upload_create_view(self, request: HttpRequest) -> HttpResponse:
        self._may_import(request)
        return pieces.create(request)

    def upload_view(self, request: HttpRequest, upload_id: str) -> HttpResponse:
        self._may_import(request)
        return pieces.piece(request, upload_id)

    # ---- one import -------------------------------------------------------------------------

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        run = self.get_object(request, object_id)
        if run is None:
            return redirect("admin:catalog_importrun_changelist")
        if not self.has_view_permission(request, run):
            raise PermissionDenied
        shown = request.GET.get("show", "")
        items = run.items.select_related("asset", "product__asset")
        if shown in Outcome.values:
            items = items.filter(outcome=shown)
        elif shown == "warned":
            items = items.exclude(warnings=[])
        page = Paginator(items.order_by("key"), _PAGE).get_page(request.GET.get("page"))
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": f"Import of {run.catalog}",
            "run": run,
            "fields": selectors.import_fields(run),
            "progress": _progress(run),
            "counts": self._counts(run),
            "problems": self._problems(run),
            "shown": shown,
            "page": page,
            "items": _found_items(list(page)),
            "form": CorrectionForm(),
            "may_import": self._has_import(request),
        }
        return TemplateResponse(request, "admin/catalog/import.html", context)

    def _counts(self, run: ImportRun) -> list[tuple[str, str, int]]:
        counts = dict(run.items.order_by().values_list("outcome").annotate(n=Count("pk")))
        shown = [(value, label, counts[value]) for value, label in Outcome.choices if value in counts]
        warned = run.items.exclude(warnings=[]).count()
        return [*shown, ("warned", "with a warning", warned)] if warned else shown

    def _problems(self, run: ImportRun) -> list[dict[str, Any]]:
        """Failures by kind, the most frequent first, each with an example."""
        failed = run.items.filter(outcome=Outcome.FAILED).order_by()
        kinds = failed.values("code").annotate(n=Count("pk")).order_by("-n")
        return [
            {**kind, "example": failed.filter(code=kind["code"]).values_list("reason", flat=True).first()}
            for kind in kinds[:12]
        ]

    def progress_view(self, request: HttpRequest, pk: int) -> JsonResponse:
        run = get_object_or_404(ImportRun, pk=pk)
        if not self.has_view_permission(request, run):
            raise PermissionDenied
        return JsonResponse(_progress(run))

    def do_view(self, request: HttpRequest, pk: int, what: str) -> HttpResponse:
        """Pause, resume, confirm, or (asking first) cancel."""
        self._may_import(request)
        run = get_object_or_404(ImportRun, pk=pk)
        back = redirect("admin:catalog_importrun_change", run.pk)
        if what == "cancel" and not is_confirmed(request):
            text = "It stops at the next file. What came in stays, and “Resume” goes on where it stopped."
            return ask(
                self, request, title=f"Cancel the import of {run.catalog}?", text=text, button="Cancel it"
            )
        if request.method != "POST":
            return back
        try:
            if what == "cancel":
                importing.cancel_import(run)
            elif what == "pause":
                importing.pause_import(run)
            elif what == "resume":
                importing.resume_import(run)
            elif what == "confirm":
                importing.confirm_import(run)
        except ShapelensError as error:
            messages.error(request, str(error))
        return back

    def correct_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Correct the chosen models of an import that is being looked at."""
        self._may_import(request)
        run = get_object_or_404(ImportRun, pk=pk)
        form = CorrectionForm(request.POST or None)
        back = redirect("admin:catalog_importrun_change", run.pk)
        if request.method != "POST" or not form.is_valid():
            return back
        if "all" in request.POST:
            keys = list(run.items.values_list("key", flat=True))
        else:
            keys = list(run.items.filter(pk__in=request.POST.getlist("item")).values_list("key", flat=True))
        if not keys:
            messages.error(request, "Tick the models to correct first.")
            return back
        try:
            importing.correct_found(run, keys, form.corrected())
        except ShapelensError as error:
            messages.error(request, str(error))
        else:
            messages.success(request, f"{len(keys)} corrected; they are read and drawn again.")
        return back

    def report_view(self, request: HttpRequest, pk: int) -> HttpResponseBase:
        """What became of every file, as a table."""
        run = get_object_or_404(ImportRun, pk=pk)
        if not self.has_view_permission(request, run):
            raise PermissionDenied
        response = StreamingHttpResponse(_report(run), content_type="text/csv; charset=utf-8")
        response["Content-Disposition"] = f'attachment; filename="import-{run.pk}.csv"'
        return response

    def _has_import(self, request: HttpRequest) -> bool:
        return request.user.has_perm("catalog.add_importrun")

    def _may_import(self, request: HttpRequest) -> None:
        if not self._has_import(request):
            raise PermissionDenied


class _Echo:
    """A csv writer's file that gives each line back."""

    def write(self, line: str) -> str:
        return line


def _report(run: ImportRun) -> Iterator[str]:
    writer = csv.writer(_Echo())
    yield "\ufeff" + writer.writerow(["key", "name", "outcome", "kind", "reason", "warnings", "product"])
    rows = run.items.order_by("pk").values_list(
        "key", "name", "outcome", "code", "reason", "warnings", "product"
    )
    for key, name, outcome, code, reason, warnings, product in rows.iterator():
        cells = [key, name, outcome, code, reason, "; ".join(warnings), product or ""]
        yield writer.writerow([_harmless(cell) for cell in cells])
    for left in run.left_over:
        yield writer.writerow(
            [_harmless(left["path"]), "", "no model", "", _harmless(left["reason"]), "", ""]
        )


def _harmless(cell: Any) -> Any:
    """A spreadsheet takes text that begins so for a formula."""
    return f"'{cell}" if isinstance(cell, str) and cell[:1] in {"=", "+", "-", "@", "\t", "\r"} else cell


def _progress(run: ImportRun) -> dict[str, Any]:
    """rate: files a second since it was taken up; left: seconds to go, None where that can't be told."""
    is_running = run.state == State.RUNNING
    spent = (timezone.now() - run.started_at).total_seconds() if run.started_at and is_running else 0.0
    rate = (run.processed - run.started_from) / spent if spent > 1 else 0.0
    return {
        "state": run.state,
        "label": run.get_state_display(),
        "processed": run.processed,
        "total": run.total,
        "rate": round(rate, 2),
        "left": round((run.total - run.processed) / rate) if rate > 0 else None,
        "is_going_on": run.state in {State.QUEUED, State.RUNNING},
    }


def _found_items(items: list[ImportItem]) -> list[dict[str, Any]]:
    """With a picture, a size beside a person's, and the other models of the same shape."""
    shapes = {item.asset.mesh_hash for item in items if item.asset and item.asset.mesh_hash}
    alike: dict[str, set[str]] = {}
    same = Asset.objects.filter(mesh_hash__in=shapes).values_list("mesh_hash", "products__name")
    for shape, name in same:
        if name:
            alike.setdefault(shape, set()).add(name)
    here: dict[str, list[str]] = {}
    for item in items:
        if item.asset:
            here.setdefault(item.asset.mesh_hash, []).append(item.name or item.key)
    rows = []
    for item in items:
        asset = item.asset or (item.product.asset if item.product else None)
        twins = set(here.get(asset.mesh_hash, [])) | alike.get(asset.mesh_hash, set()) if asset else set()
        rows.append(
            {
                "item": item,
                "picture": thumbnail(asset, 84),
                "scale": _scale(asset.extents) if asset and asset.extents else None,
                "size": " × ".join(_length(side) for side in asset.extents) if asset else "",
                "twins": sorted(twins - {item.name or item.key})[:3],
                "frame": ", ".join(
                    f"{name} {item.frame[name]}" for name in ("unit", "up", "front") if item.frame.get(name)
                ),
            }
        )
    return rows


def _scale(extents: list[float]) -> dict[str, int]:
    """Pixels of a person and of the model's front, side by side."""
    width, height = extents[0], extents[1]
    pixels = _SCALE_PX / max(_PERSON_M, height, width)
    return {
        "person": max(1, round(_PERSON_M * pixels)),
        "person_width": max(1, round(0.4 * _PERSON_M * pixels)),
        "width": max(1, round(width * pixels)),
        "height": max(1, round(height * pixels)),
    }


def _length(metres: float) -> str:
    if metres >= 10:
        return f"{metres:.0f} m"
    return f"{metres * 100:.0f} cm" if metres >= 0.1 else f"{metres * 1000:.1f} mm"


@admin.register(ImportItem)
class ImportItemAdmin(ReadOnlyAdmin):
    list_display = ("picture", "key", "name", "badge", "reason", "warning_text")
    list_display_links = ("key",)
    list_filter = ("outcome", "run")
    search_fields = ("key", "name", "reason")
    list_select_related = ("product__asset", "asset", "run")
    list_per_page = 100

    @admin.display(description="")
    def picture(self, item: ImportItem) -> str:
        return thumbnail(item.asset or (item.product.asset if item.product else None), 40)

    @admin.display(description="outcome", ordering="outcome")
    def badge(self, item: ImportItem) -> str:
        return state_badge(item.outcome, item.get_outcome_display())

    @admin.display(description="warnings")
    def warning_text(self, item: ImportItem) -> str:
        return "; ".join(item.warnings)[:200]
