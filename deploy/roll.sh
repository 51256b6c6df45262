#!/bin/sh
# Replaces the replicas one by one with the current image and settings, without losing requests.
set -eu
cd "$(dirname "$0")/.."
STOP_S=${STOP_S:-30} # same as STOP_GRACE_PERIOD
READY_S=${READY_S:-120}

compose() { docker compose --profile scale "$@"; }
state() { docker inspect -f '{{.State.Status}} {{.State.Health.Status}}' "$1"; }

wait_for() { # wait until the container is healthy
    tries=0
    until [ "$(state "$1")" = "running healthy" ]; do
        tries=$((tries + 1))
        [ "$tries" -lt "$READY_S" ] || { echo "error: the new replica is $(state "$1")" >&2; exit 1; }
        sleep 1
    done
}

replicas=$(compose ps -q replica)
count=$(echo "$replicas" | wc -l)
for old in $replicas; do
    docker stop -t "$STOP_S" "$old" >/dev/null
    docker rm "$old" >/dev/null
    compose up -d --no-deps --no-recreate --scale replica="$count" replica >/dev/null
    for each in $(compose ps -q replica); do
        wait_for "$each"
    done
    echo "replaced $(echo "$old" | cut -c1-12)"
done
