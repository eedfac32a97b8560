"""Two index generations side by side, on the same saved searches."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db.models import Count, Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from unfold.widgets import UnfoldAdminDecimalFieldWidget, UnfoldAdminSelectWidget

from catalog import quality, selectors
from catalog.admin.base import ReadOnlyAdmin
from catalog.admin.pictures import state_badge
from catalog.errors import ShapelensError
from catalog.models import DEFAULT_TAU, ActiveGeneration, Asset, Comparison, ComparisonCase, IndexGeneration
from catalog.services import comparing

__all__ = ["ComparisonAdmin"]

Outcome = ComparisonCase.Outcome
_SHOWN = 60


class _Form(forms.Form):
    """Two sides; the serving index is the first's default, the newest the second's."""

    generation_a = forms.ModelChoiceField(
        IndexGeneration.objects.none(), label="before", widget=UnfoldAdminSelectWidget
    )
    tau_a = forms.FloatField(
        label="aspect tolerance, before",
        initial=DEFAULT_TAU,
        min_value=0.01,
        max_value=1,
        widget=UnfoldAdminDecimalFieldWidget,
    )
    generation_b = forms.ModelChoiceField(
        IndexGeneration.objects.none(), label="after", widget=UnfoldAdminSelectWidget
    )
    tau_b = forms.FloatField(
        label="aspect tolerance, after",
        initial=DEFAULT_TAU,
        min_value=0.01,
        max_value=1,
        widget=UnfoldAdminDecimalFieldWidget,
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        ready = IndexGeneration.objects.filter(status=IndexGeneration.Status.READY)
        self.fields["generation_a"].queryset = self.fields["generation_b"].queryset = ready
        self.fields["generation_a"].initial = ActiveGeneration.objects.values_list(
            "generation", flat=True
        ).first()
        self.fields["generation_b"].initial = ready.values_list("pk", flat=True).first()


@admin.register(Comparison)
class ComparisonAdmin(ReadOnlyAdmin):
    list_display = ("__str__", "sides", "badge", "better", "worse", "changed", "author", "created_at")
    list_select_related = ("generation_a", "generation_b", "author")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Comparison]:
        rows: QuerySet[Comparison] = super().get_queryset(request)
        counted = {f"{name}_n": Count("cases", filter=Q(cases__outcome=name)) for name in Outcome.values}
        return rows.annotate(**counted)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("catalog.add_comparison")

    @admin.display(description="before → after")
    def sides(self, row: Comparison) -> str:
        return f"{row.generation_a} (τ {row.tau_a:g}) → {row.generation_b} (τ {row.tau_b:g})"

    @admin.display(description="state", ordering="state")
    def badge(self, row: Comparison) -> str:
        return state_badge(row.state, row.get_state_display())

    @admin.display(ordering="better_n")
    def better(self, row: Any) -> int:
        return int(row.better_n)

    @admin.display(ordering="worse_n")
    def worse(self, row: Any) -> int:
        return int(row.worse_n)

    @admin.display(description="other first answer", ordering="changed_n")
    def changed(self, row: Any) -> int:
        return int(row.changed_n)

    def add_view(self, request: HttpRequest, form_url: str = "", extra_context: Any = None) -> HttpResponse:
        if not self.has_add_permission(request):
            return redirect("admin:catalog_comparison_changelist")
        form = _Form(request.POST or None)
        if request.method == "POST" and form.is_valid():
            said = form.cleaned_data
            a = comparing.Side(said["generation_a"], said["tau_a"])
            b = comparing.Side(said["generation_b"], said["tau_b"])
            try:
                row = comparing.request_comparison(a, b, request.user)
            except ShapelensError as error:
                messages.error(request, str(error))
            else:
                return redirect("admin:catalog_comparison_change", row.pk)
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": "Compare two indexes",
            "form": form,
            "most": comparing.MOST,
        }
        return TemplateResponse(request, "admin/catalog/compare.html", context)

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        row = self.get_object(request, object_id)
        if row is None or not self.has_view_permission(request, row):
            return redirect("admin:catalog_comparison_changelist")
        shown = request.GET.get("show", "")
        cases = row.cases.exclude(outcome=Outcome.SAME)
        if shown in Outcome.values:
            cases = row.cases.filter(outcome=shown)
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": self.sides(row),
            "row": row,
            "is_going_on": row.state in {Comparison.State.QUEUED, Comparison.State.RUNNING},
            "summary": self._summary(row),
            "shown": shown,
            "cases": self._cases(cases.prefetch_related("search__photos__photo")[:_SHOWN]),
            "most": _SHOWN,
        }
        return TemplateResponse(request, "admin/catalog/comparison.html", context)

    def _summary(self, row: Comparison) -> dict[str, Any]:
        counts = dict(row.cases.order_by().values_list("outcome").annotate(n=Count("pk")))
        judged = row.cases.filter(is_judged=True)
        n = judged.count()
        return {
            "counts": [(value, label, counts.get(value, 0)) for value, label in Outcome.choices],
            "cases": sum(counts.values()),
            "judged": n,
            "top1_a": quality.share_fields(judged.filter(rank_a=1).count(), n),
            "top1_b": quality.share_fields(judged.filter(rank_b=1).count(), n),
        }

    def _cases(self, cases: QuerySet[ComparisonCase]) -> list[dict[str, Any]]:
        rows = list(cases)
        used = {one["asset"] for case in rows for one in (*case.answers_a, *case.answers_b)}
        hashes = dict(Asset.objects.filter(pk__in=used).values_list("pk", "hash"))

        def side(title: str, answers: list[dict[str, Any]], rank: int | None) -> dict[str, Any]:
            rows = [
                {
                    **one,
                    "picture": selectors.asset_url(hashes[one["asset"]], f"views/{one['view']}.jpg"),
                    "is_right": at == rank,
                }
                for at, one in enumerate(answers[:4], start=1)
                if one["asset"] in hashes
            ]
            return {"title": title, "rows": rows, "rank": rank}

        return [
            {
                "case": case,
                "photo": selectors.photo_url(photos[0].photo)
                if (photos := list(case.search.photos.all()))
                else "",
                "link": quality.case_link(case.search_id),
                "sides": [
                    side("before", case.answers_a, case.rank_a),
                    side("after", case.answers_b, case.rank_b),
                ],
            }
            for case in rows
        ]
