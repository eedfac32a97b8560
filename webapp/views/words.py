"""Words that the page's script says, in the shopper's language; it finds them by the English ones.

They stand in the page as JSON: a script of a hundred lines needs no catalog file of its own.
"""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from django.utils.translation import get_language, gettext
from django.utils.translation import gettext_noop as _

__all__ = ["SCRIPT_WORDS", "page_words"]

SCRIPT_WORDS = (
    _("Sending the photo"),
    _("Waiting for a free worker"),
    _("%(n)s before you"),
    _("Looking for the object"),
    _("Comparing with the catalog"),
    _("Fitting the 3D models"),
    _("The search was cancelled."),
    _("The search failed. Try again."),
    _("Try again"),
    _("Products are here already; their 3D models are being fitted."),
    _("%(n)s products shown."),
    _("No clear match; the products most alike are shown."),
    _("Loading the 3D model…"),
    _("The 3D model could not be loaded. Choose it again to retry."),
    _("The viewer could not be loaded. Choose the product again to retry."),
    _("This browser can't draw in 3D (WebGL is off). The pictures still compare."),
    _("This model is too heavy for that."),
    _("Viewpoint uncertain"),
    _("Best guess"),
    _("The thing in your photo, cut out"),
    _("Other side %(n)s"),
    _("Seen from %(azimuth)s°, %(elevation)s° above the floor"),
    _(
        "Drag to slide, pinch or wheel to scale, Shift and drag to turn. Keys: arrows slide, + and - scale, "
        "Q and E turn."
    ),
    _("Saved. Thank you: it teaches us where we are wrong."),
    _("Thank you. Press again to take it back."),
    _("The link works until %(date)s:"),
    _("Delete the link"),
    _("The link was deleted."),
    _("Delete this photo and everything found with it, now and for good?"),
    _("Your photo was deleted."),
    _("Photo %(n)s"),
    _("Search object %(n)s of %(of)s"),
    _("Box around the object. Arrow keys move it, Shift and arrow keys change its size, Enter searches."),
    _(
        "Cell agreement %(score)s: the sum of all the cells. With the whole picture's %(cosine)s, it ranks this view."
    ),
    _("The server can't be reached. Check the connection and try again."),
    _("The server answered %(status)s. Try again."),
    _("Something went wrong on this page. Reload it and try again."),
    _("Choose at most %(n)s photos, all of the same object."),
    _("%(name)s is empty. Choose the photo again."),
    _("%(name)s has %(size)s MB. Photos may have 25 MB."),
    _("%(name)s is not a photo. Choose a JPEG, PNG, WebP or HEIC."),
    _("That was not a file. Drop a photo from your computer, or save the picture first."),
    _("That is an address, not a picture. Open it, copy the picture itself, and paste again."),
    _("The 3D model can't be shown here; the pictures show it from all sides."),
    _("Very likely"),
    _("Likely"),
    _("Similar shape"),
    _("Not certain"),
    _("3D model: %(credits)s"),
    _("%(name)s, seen as in your photo"),
    # what the server says, by its code
    _("Nothing can be searched yet: no catalog is ready. Try again later."),
    _("Many are searching right now. Try again in half a minute."),
)


def page_words(request: HttpRequest) -> dict[str, Any]:
    """Nothing for English, whose words are their own keys."""
    if (get_language() or "en").startswith("en"):
        return {"page_words": {}}
    return {"page_words": {word: gettext(word) for word in SCRIPT_WORDS}}
