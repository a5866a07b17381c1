"""What the shop sells, to whom, and the pages of its manual."""

import re
import uuid
from decimal import Decimal
from typing import Any, ClassVar

from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.contrib.auth.models import PermissionsMixin
from django.db import models
from django.db.models import Case, Q, Value, When
from django.urls import reverse
from django.utils.text import Truncator


class CustomerManager(BaseUserManager["Customer"]):
    def create_user(self, email: str, password: str | None = None, **fields: Any) -> "Customer":
        customer = self.model(email=self.normalize_email(email), **fields)
        customer.set_password(password)
        customer.save(using=self._db)
        return customer

    def create_superuser(self, email: str, password: str | None = None, **fields: Any) -> "Customer":
        return self.create_user(email, password, is_superuser=True, **fields)


class Customer(AbstractBaseUser, PermissionsMixin):
    """The user model: customers sign in with their e-mail address."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    email = models.EmailField("e-mail", unique=True)
    name = models.CharField(max_length=100)
    is_active = models.BooleanField(default=True)

    objects = CustomerManager()

    USERNAME_FIELD = "email"
    REQUIRED_FIELDS: ClassVar = ["name"]

    def __str__(self) -> str:
        return self.name

    @property
    def is_staff(self) -> bool:
        return self.is_superuser


class Product(models.Model):
    name = models.CharField(max_length=100)
    description = models.CharField(max_length=200)
    price = models.DecimalField(max_digits=8, decimal_places=2)
    picture = models.CharField(max_length=100)
    """The path of a static file."""

    class Meta:
        ordering: ClassVar = ["-price"]

    def __str__(self) -> str:
        return self.name


class Order(models.Model):
    class Status(models.TextChoices):
        OPEN = "open"
        SENT = "sent"
        CANCELLED = "cancelled"

    number = models.CharField(max_length=10, unique=True)
    customer = models.ForeignKey(Customer, models.CASCADE, related_name="orders")
    status = models.CharField(max_length=10, choices=Status, default=Status.OPEN)
    placed_on = models.DateField()
    total = models.DecimalField(max_digits=8, decimal_places=2)
    place = models.CharField(max_length=50, blank=True)
    """Where the parcel is, as the carrier knows it; empty before it is sent."""
    days_left = models.PositiveSmallIntegerField(default=0)
    """In how many days the parcel arrives."""

    class Meta:
        ordering: ClassVar = ["-number"]

    def __str__(self) -> str:
        return f"order {self.number}"

    def get_absolute_url(self) -> str:
        return reverse("order", args=[self.number])


class Line(models.Model):
    order = models.ForeignKey(Order, models.CASCADE, related_name="lines")
    product = models.ForeignKey(Product, models.PROTECT)
    quantity = models.PositiveSmallIntegerField(default=1)

    def __str__(self) -> str:
        return f"{self.quantity} x {self.product}"

    @property
    def price(self) -> Decimal:
        return self.quantity * self.product.price


class PageQuerySet(models.QuerySet["Page"]):
    def search(self, query: str) -> "PageQuerySet":
        """Return the pages with any of the longer words of a question, those with the most of them first."""
        words = re.findall(r"\w{4,}", query)[:10]
        found = [Q(title__icontains=word) | Q(text__icontains=word) for word in words]
        hits = sum((Case(When(each, then=1), default=0) for each in found), Value(0))
        return self.annotate(hits=hits).filter(hits__gt=0).order_by("-hits", "title")


class Page(models.Model):
    """A page of the manual."""

    slug = models.SlugField(unique=True)
    title = models.CharField(max_length=100)
    text = models.TextField()

    objects = PageQuerySet.as_manager()

    class Meta:
        ordering: ClassVar = ["title"]

    def __str__(self) -> str:
        return self.title

    def get_absolute_url(self) -> str:
        return reverse("page", args=[self.slug])

    @property
    def excerpt(self) -> str:
        return Truncator(self.text).words(40)
