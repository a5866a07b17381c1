from django.contrib.auth.models import AbstractBaseUser, BaseUserManager
from django.db import models


class Person(AbstractBaseUser):
    """A user whose primary key is a long text, like those of identity providers."""

    key = models.CharField(primary_key=True, max_length=200)
    name = models.CharField(max_length=100, unique=True)

    objects = BaseUserManager()

    USERNAME_FIELD = "name"
