"""The tables. product: what is sold; asset: its 3D model, read and rendered; importing: how both
came in; index: what is searched; search: what was asked and answered;
callback: who is told; feed: tables of prices and stock; feedback: what shoppers say and share; operations: who works, what was
given up, which programs may ask; review: what people say of the answers."""

from __future__ import annotations

from catalog.models.asset import Asset
from catalog.models.callback import Callback
from catalog.models.feed import Feed, FeedChange
from catalog.models.feedback import Feedback, Share
from catalog.models.importing import ImportItem, ImportRun
from catalog.models.index import ActiveGeneration, IndexGeneration
from catalog.models.leased import Leased
from catalog.models.operations import ApiToken, DeadLetter, WorkerHeartbeat
from catalog.models.product import Catalog, Product
from catalog.models.review import Comparison, ComparisonCase, Correction, CutOff, ReviewLock, Verdict
from catalog.models.search import DEFAULT_TAU, Photo, Search, SearchPhoto, SearchResult

__all__ = [
    "DEFAULT_TAU",
    "ActiveGeneration",
    "ApiToken",
    "Asset",
    "Callback",
    "Catalog",
    "Comparison",
    "ComparisonCase",
    "Correction",
    "CutOff",
    "DeadLetter",
    "Feed",
    "FeedChange",
    "Feedback",
    "ImportItem",
    "ImportRun",
    "IndexGeneration",
    "Leased",
    "Photo",
    "Product",
    "ReviewLock",
    "Search",
    "SearchPhoto",
    "SearchResult",
    "Share",
    "Verdict",
    "WorkerHeartbeat",
]
