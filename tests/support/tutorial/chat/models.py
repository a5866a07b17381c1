"""Models added after the tutorial, with the same names as the packaged app's."""

from django.conf import settings
from django.db import models


class Conversation(models.Model):
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE)

    def __str__(self):
        return f"Conversation {self.pk}"


class Message(models.Model):
    conversation = models.ForeignKey(Conversation, models.CASCADE)
    text = models.TextField()

    def __str__(self):
        return self.text
