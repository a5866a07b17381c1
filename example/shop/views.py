"""The pages of the shop."""

from typing import Any

from django.conf import settings
from django.contrib.auth.decorators import login_required
from django.contrib.auth.models import AnonymousUser
from django.contrib.auth.views import LoginView
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render

from .models import Customer, Order, Page, Product


class SignIn(LoginView):
    redirect_authenticated_user = True

    def get_context_data(self, **context: Any) -> dict[str, Any]:
        return super().get_context_data(customers=settings.DEMO_CUSTOMERS, password=settings.DEMO_PASSWORD, **context)


def home(request: HttpRequest) -> HttpResponse:
    return render(request, "shop/home.html", {"products": Product.objects.all()})


def manual(request: HttpRequest) -> HttpResponse:
    return render(request, "shop/manual.html", {"pages": Page.objects.all()})


def page(request: HttpRequest, slug: str) -> HttpResponse:
    return render(request, "shop/page.html", {"page": get_object_or_404(Page, slug=slug)})


def support(request: HttpRequest) -> HttpResponse:
    return render(request, "shop/support.html")


@login_required
def orders(request: HttpRequest) -> HttpResponse:
    return render(request, "shop/orders.html", {"orders": _orders_of(request.user)})


@login_required
def order(request: HttpRequest, number: str) -> HttpResponse:
    found = get_object_or_404(_orders_of(request.user).prefetch_related("lines__product"), number=number)
    return render(request, "shop/order.html", {"order": found})


def _orders_of(user: Customer | AnonymousUser) -> QuerySet[Order]:
    return Order.objects.filter(customer=user.pk)
