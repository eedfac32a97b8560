"""Which products fit words, and how alike colors are."""

from __future__ import annotations

import re
from collections.abc import Sequence

from django.db.models import Q, QuerySet

from catalog.models import Product

__all__ = ["WORDLESS", "by_words", "color_likeness", "matching", "words_in"]

# said in every request, and no property of a product
WORDLESS = frozenset(
    [
        "a",
        "an",
        "the",
        "this",
        "that",
        "with",
        "without",
        "and",
        "or",
        "of",
        "for",
        "in",
        "on",
        "to",
        "from",
        "like",
        "but",
        "my",
        "one",
        "some",
        "un",
        "une",
        "le",
        "la",
        "les",
        "l",
        "des",
        "du",
        "de",
        "d",
        "avec",
        "sans",
        "et",
        "ou",
        "pour",
        "en",
        "dans",
        "sur",
        "comme",
        "mais",
        "mon",
        "ma",
    ]
)
MOST_WORDS = 12


def words_in(text: str) -> list[str]:
    """The words that may tell something of a product, lower case, each once, in their order."""
    found = re.findall(r"[^\W_]+(?:-[^\W_]+)*", text.casefold())
    return [word for word in dict.fromkeys(found) if word not in WORDLESS][:MOST_WORDS]


def matching(rows: QuerySet[Product], word: str) -> QuerySet[Product]:
    """Products in whose name, tags, category, description or SKU the word stands, in either number."""
    stem = word[:-1] if len(word) > 3 and word.endswith(("s", "x")) else word
    return rows.filter(
        Q(name__icontains=stem)
        | Q(tags__icontains=stem)
        | Q(category__icontains=stem)
        | Q(description__icontains=stem)
        | Q(sku__iexact=word)
    )


def by_words(text: str) -> tuple[list[str], frozenset[int] | None]:
    """The words that were used, and the models of products that fit them all; None where none was used.

    A word that no product fits together with those before it is not used: it would leave nothing.
    """
    rows = Product.objects.filter(is_withdrawn=False, asset__isnull=False)
    used: list[str] = []
    for word in words_in(text):
        narrowed = matching(rows, word)
        if narrowed.exists():
            rows = narrowed
            used.append(word)
    return used, frozenset(rows.values_list("asset", flat=True)) if used else None


def color_likeness(a: Sequence[float], b: Sequence[float]) -> float:
    """Common part of two shares of colors, in [0, 1]."""
    return round(sum(map(min, a, b)), 4)
