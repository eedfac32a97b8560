"""Addresses of the site."""

from __future__ import annotations

from django.contrib import admin
from django.urls import path
from django.views.i18n import set_language

from webapp.api import api
from webapp.views import health, media, pages

__all__ = ["handler400", "handler404", "handler500", "urlpatterns"]

handler400 = "webapp.views.errors.refused"
handler404 = "webapp.views.errors.not_found"
handler500 = "webapp.views.errors.failed"

urlpatterns = [
    path("", pages.index, name="index"),
    path("s/<uuid:uuid>/", pages.search, name="search"),
    path("s/<uuid:uuid>/answer", pages.answer, name="answer"),
    path("share/<str:token>/", pages.share, name="share"),
    path("share/<str:token>/photo.jpg", media.shared_photo, name="shared-photo"),
    path("embed/<int:pk>/", pages.embed, name="embed"),
    path("language", set_language, name="set_language"),
    path("products/<int:pk>-<slug:slug>/", pages.product, name="product"),
    path("products/", pages.products, name="products"),
    path("models/<slug:asset_hash>/<path:name>", media.asset_file, name="asset-file"),
    path("photos/<uuid:uuid>.jpg", media.photo, name="photo"),
    path("samples/<slug:name>.jpg", media.sample, name="sample"),
    path("api/v1/", api.urls),
    path("health/live", health.live, name="live"),
    path("health/ready", health.ready, name="ready"),
    path("metrics", health.metrics, name="metrics"),
    path("admin/", admin.site.urls),
]
