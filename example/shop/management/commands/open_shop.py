"""``manage.py open_shop``: makes the tables, fills them once, and says which model answers."""

from typing import Any

from django.conf import settings
from django.core.management import BaseCommand, call_command

from example.shop.models import Customer

SCRIPTED = (
    "This is a scripted demonstration: no language model is set that can call tools, so the answers are prepared.\n"
    "Set OPENAI_API_KEY, or OPENAI_BASE_URL and OPENAI_MODEL, to talk to a model."
)


class Command(BaseCommand):
    help = "Makes the shop's tables, fills them if they are empty, and says which model answers."

    def handle(self, *arguments: Any, **options: Any) -> None:
        call_command("migrate", interactive=False, verbosity=0)
        if not Customer.objects.exists():
            call_command("loaddata", "shop", verbosity=0)
        self.stdout.write(SCRIPTED if settings.IS_SCRIPTED else f"The model is {settings.MODEL['OPTIONS']['model']}.")
        self.stdout.write(f"Sign in as {settings.DEMO_CUSTOMERS[0]} with the password {settings.DEMO_PASSWORD}.")
