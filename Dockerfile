# Targets: service (the default), service-openvino, service-gpu and training.
#
#   docker build --target service -t mirage:service .
#
# constraints*.txt pin what is installed. The code comes last, so that a change of it rebuilds in seconds.
ARG PYTHON_IMAGE=python:3.11-slim-bookworm

FROM ${PYTHON_IMAGE} AS base
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONPATH=/app \
    PYTHONSAFEPATH=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    ORT_DISABLE_TELEMETRY=1 \
    HOME=/tmp
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="Mirage" \
      org.opencontainers.image.description="Trains a GAN on images and serves generated images over HTTP" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"

# Without its code the project installs its dependencies and its metadata.
FROM base AS builder
WORKDIR /build
RUN python -m venv --without-pip /opt/venv
COPY pyproject.toml constraints*.txt LICENSE ./
RUN touch README.md
# Where pip finds more, such as wheels of torch without CUDA.
ARG PIP_EXTRA_INDEX_URL
ENV PIP="/usr/local/bin/python -m pip --disable-pip-version-check --python /opt/venv/bin/python install"

FROM builder AS cpu
RUN --mount=type=cache,target=/tmp/.cache/pip $PIP -c constraints.txt '.[cpu,s3]'

FROM builder AS openvino
RUN --mount=type=cache,target=/tmp/.cache/pip $PIP -c constraints-openvino.txt '.[openvino,s3]'

FROM builder AS gpu
RUN --mount=type=cache,target=/tmp/.cache/pip $PIP -c constraints-gpu.txt '.[gpu,s3]'

FROM builder AS torch
RUN --mount=type=cache,target=/tmp/.cache/pip $PIP -c constraints.txt '.[cpu,s3,training]'

# Compiled here, for nothing can be written later.
FROM base AS code
WORKDIR /app
COPY mirage mirage
COPY bundle bundle
COPY client/mirage_http client/mirage_http
COPY service service
COPY deploy/health.py health.py
RUN python -m compileall -q --invalidation-mode unchecked-hash .

FROM base AS training-code
WORKDIR /app
COPY mirage mirage
COPY bundle bundle
COPY training training
RUN python -m compileall -q --invalidation-mode unchecked-hash .

FROM base AS training
# For libraries that ask for the user's name, which has no entry in /etc/passwd.
ENV USER=mirage XDG_CACHE_HOME=/runs/.cache
USER 1000:1000
WORKDIR /
ENTRYPOINT ["python", "-m", "training"]
COPY --from=torch /opt/venv /opt/venv
COPY --from=training-code /app /app

FROM base AS serving
ENV MIRAGE_HOST=0.0.0.0 MIRAGE_MODELS=/models
EXPOSE 8000
USER 1000:1000
WORKDIR /
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=5s --timeout=5s --start-period=60s --retries=3 CMD ["python", "-IS", "/app/health.py"]
ENTRYPOINT ["python", "-m", "service"]

FROM serving AS service-openvino
COPY --from=openvino /opt/venv /opt/venv
COPY --from=code /app /app

FROM serving AS service-gpu
# What the NVIDIA container runtime makes visible.
ENV NVIDIA_VISIBLE_DEVICES=all NVIDIA_DRIVER_CAPABILITIES=compute,utility MIRAGE_PROVIDER=cuda
COPY --from=gpu /opt/venv /opt/venv
COPY --from=code /app /app

FROM serving AS service
COPY --from=cpu /opt/venv /opt/venv
COPY --from=code /app /app
