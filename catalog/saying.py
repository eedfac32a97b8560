"""What a worker wrote down of a failure, said in the language of whoever looks at it.

A worker knows no language: it stores the English sentence and its code. Errors of a request itself are
translated where they are raised.
"""

from __future__ import annotations

from django.utils.translation import get_language, gettext
from django.utils.translation import gettext_noop as _

__all__ = ["FAILURES", "failure_text"]

# by `Search.error_code`; a code that is not here is said as "error" is
FAILURES = {
    "bad_photo": _("the photo can't be opened; save it again as JPEG or PNG, or choose another"),
    "bad_box": _("the box has nothing in the photo; draw it around the object"),
    "no_index": _("nothing can be searched yet; try again later"),
    "no_views": _("nothing can be searched yet; try again later"),
    "index_unreachable": _(
        "the catalog can't be searched right now; the photo is kept: try again in a minute"
    ),
    "media_down": _("the store of photos and models does not answer; try again in a minute"),
    "too_slow": _("the search took too long and was stopped; try again with a smaller box"),
    "error": _("something went wrong while searching; the photo is kept: try again"),
}


def failure_text(code: str, message: str) -> str:
    """The sentence as it was stored, in English; elsewhere its translation, or its kind's."""
    if not message or (get_language() or "en").startswith("en"):
        return message
    said = gettext(message)
    return said if said != message else gettext(FAILURES.get(code, FAILURES["error"]))
