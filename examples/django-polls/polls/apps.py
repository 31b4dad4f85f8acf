"""The app."""

from django.apps import AppConfig


class PollsConfig(AppConfig):
    """Questions, and what people answer."""

    name = "polls"
