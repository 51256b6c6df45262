#!/bin/sh
# Retrains a model on a folder of images and releases it if the gate lets it pass: for cron, or by hand.
#
#   deploy/retrain.sh data/mine models/mine [--kimg 1600 …]
#
# Says nothing when a model was released; else prints the job's error, and why, and exits as the job did:
# 1 crashed, 2 wrong command, 3 bad data, 4 refused by the gate, 5 another job of this model is running, 6 collapse.
# After a crash or a kill the next run goes on where this one stopped. Flags: those of `training retrain --help`.
set -u
cd "$(dirname "$0")/.." || exit 1
[ $# -ge 2 ] || { sed -n '4s/^# *//p' "$0" >&2; exit 2; }
data=$1 model=$2
shift 2

log=runs/$(basename "$model")-$(date +%Y%m%dT%H%M%S).log
docker compose run --rm -T training retrain --data "$data" --to "$model" --release --keep-runs 5 "$@" >"$log" 2>&1
code=$?
[ $code -eq 0 ] && exit 0

case $code in
    4) why="refused by the gate: what serves goes on serving" ;;
    5) why="another job of this model is running" ;;
    6) why="the generator collapsed: see the run's sample grids" ;;
    3) why="the data cannot be used" ;;
    2) why="the command is wrong" ;;
    *) why="crashed: the next run goes on where it stopped" ;;
esac
tr '\r' '\n' <"$log" | sed -n 's/^ *\(.*rror: .*\)$/\1/p' | tail -n 1
echo "retraining $model ended with $code: $why ($PWD/$log)"
exit $code
