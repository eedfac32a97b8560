"""A first login for the admin site, made once."""

from __future__ import annotations

import secrets
from argparse import ArgumentParser
from typing import Any

from django.contrib.auth import get_user_model
from django.core.management.base import BaseCommand, CommandError

__all__ = ["Command"]


class Command(BaseCommand):
    help = "Make the user admin with a random password, printed once, unless an admin is there."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--name", default="admin")

    def handle(self, *args: Any, **options: Any) -> None:
        users = get_user_model().objects
        if users.filter(is_superuser=True).exists():
            return
        if users.filter(username=options["name"]).exists():
            raise CommandError(
                f"there is a user {options['name']} who is no admin; give another --name, or make them one"
            )
        password = secrets.token_urlsafe(12)
        users.create_superuser(options["name"], password=password)
        self.stdout.write(
            f"Admin login, shown this once:  user {options['name']}  password {password}\n"
            "(forgotten: manage.py changepassword admin)"
        )
