"""What is put right without a person."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from catalog.models import Callback, Search
from catalog.services import callbacks
from catalog.services.sweeping import sweep

pytestmark = pytest.mark.django_db


def test_a_callback_whose_worker_died_in_its_last_try_is_given_up() -> None:
    past = timezone.now() - timedelta(minutes=5)
    for lease_until in (past, timezone.now() + timedelta(minutes=5)):
        search = Search.objects.create(state=Search.State.DONE, finished_at=past)
        Callback.objects.create(
            search=search,
            url="http://shop.test/told",
            secret="whsec_",
            attempts=callbacks.MAX_ATTEMPTS,
            lease_owner="a worker",
            lease_until=lease_until,
        )
    assert sweep() == 1
    lost, held = Callback.objects.order_by("pk")
    assert lost.state == Callback.State.FAILED
    assert "last try" in lost.error
    assert held.state == Callback.State.WAITING
    assert sweep() == 0
