"""The URLs of the shop."""

from django.contrib.auth.views import LogoutView
from django.urls import include, path

from .shop import views

urlpatterns = [
    path("", views.home, name="home"),
    path("orders/", views.orders, name="orders"),
    path("orders/<str:number>/", views.order, name="order"),
    path("manual/", views.manual, name="manual"),
    path("manual/<slug:slug>/", views.page, name="page"),
    path("help/", views.support, name="support"),
    path("sign-in/", views.SignIn.as_view(), name="login"),
    path("sign-out/", LogoutView.as_view(), name="logout"),
    path("chat/", include("chat.urls")),
]
