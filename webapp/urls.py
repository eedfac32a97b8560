"""Addresses of the site."""

from __future__ import annotations

from django.contrib import admin
from django.urls import path

from webapp.api import api
from webapp.views import health, media, pages

__all__ = ["handler400", "handler404", "handler500", "urlpatterns"]

handler400 = "webapp.views.errors.refused"
handler404 = "webapp.views.errors.not_found"
handler500 = "webapp.views.errors.failed"

urlpatterns = [
    path("", pages.index, name="index"),
    path("s/<uuid:uuid>/", pages.search, name="search"),
    path("products/<int:pk>-<slug:slug>/", pages.product, name="product"),
    path("products/", pages.products, name="products"),
    path("models/<slug:asset_hash>/<path:name>", media.asset_file, name="asset-file"),
    path("photos/<uuid:uuid>.jpg", media.photo, name="photo"),
    path("samples/<slug:name>.jpg", media.sample, name="sample"),
    path("api/v1/", api.urls),
    path("health/live", health.live, name="live"),
    path("health/ready", health.ready, name="ready"),
    path("admin/", admin.site.urls),
]
