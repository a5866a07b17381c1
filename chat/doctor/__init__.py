"""``manage.py chat_doctor``: looks at a site from outside, as a browser does, and says what is wrong."""
