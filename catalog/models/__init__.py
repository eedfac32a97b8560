"""The tables. product: what is sold; asset: its 3D model, read and rendered; importing: how both
came in; index: what is searched; search: what was asked and answered;
callback: who is told."""

from __future__ import annotations

from catalog.models.asset import Asset
from catalog.models.callback import Callback
from catalog.models.importing import ImportItem, ImportRun
from catalog.models.index import ActiveGeneration, IndexGeneration
from catalog.models.leased import Leased
from catalog.models.product import Catalog, Product
from catalog.models.search import Photo, Search, SearchPhoto, SearchResult

__all__ = [
    "ActiveGeneration",
    "Asset",
    "Callback",
    "Catalog",
    "ImportItem",
    "ImportRun",
    "IndexGeneration",
    "Leased",
    "Photo",
    "Product",
    "Search",
    "SearchPhoto",
    "SearchResult",
]
