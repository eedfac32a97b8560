"""API tokens: made once, shown once, kept as a hash."""

from __future__ import annotations

import hashlib
import secrets
from datetime import datetime, timedelta

from django.contrib.auth.models import User
from django.db.models import Q
from django.utils import timezone

from catalog.models import ApiToken

__all__ = ["find", "issue", "may", "revoke"]

_PREFIX = "sl_"
_USED_EVERY = timedelta(minutes=1)  # how exactly "last used" is known: one write a minute, not one a request


def issue(
    user: User, name: str, scope: str = ApiToken.Scope.READ, expires_at: datetime | None = None
) -> tuple[ApiToken, str]:
    """The row and the key; nobody can read the key again."""
    key = _PREFIX + secrets.token_urlsafe(32)
    row = ApiToken.objects.create(
        user=user, name=name, scope=scope, expires_at=expires_at, start=key[:8], digest=_digest(key)
    )
    return row, key


def find(key: str) -> ApiToken | None:
    """The token of that key, if it holds now."""
    now = timezone.now()
    valid = ApiToken.objects.filter(Q(expires_at=None) | Q(expires_at__gt=now), revoked_at=None)
    row = valid.select_related("user").filter(digest=_digest(key), user__is_active=True).first()
    if row and (row.last_used_at is None or now - row.last_used_at > _USED_EVERY):
        ApiToken.objects.filter(pk=row.pk).update(last_used_at=now)
    return row


def revoke(token: ApiToken) -> None:
    """From now on it opens nothing."""
    if token.revoked_at is None:
        token.revoked_at = timezone.now()
        token.save(update_fields=["revoked_at"])


def may(token: ApiToken, permission: str) -> bool:
    """Whether its scope covers a permission such as view_importrun; the user's own rights come on top."""
    if token.scope == ApiToken.Scope.MANAGE:
        return True
    return token.scope == ApiToken.Scope.READ and permission.startswith("view_")


def _digest(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()
