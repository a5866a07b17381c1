"""The site's own tag library, which has the name that the packaged app's folder has in its repository."""

from django import template

register = template.Library()


@register.simple_tag
def chat(room):
    return f"Welcome to {room}"
