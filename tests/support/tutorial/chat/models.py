"""Tables as one adds them after the tutorial, with the names that the packaged app uses too."""

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
