#!/bin/sh
# Retrains a model on a folder of images and releases it if it passes the gate; for cron or manual use.
#
#   deploy/retrain.sh data/mine models/mine [--kimg 1600 …]
#
# Prints nothing if a model was released; otherwise prints the error and exits with the code of the job:
# 1 crashed, 2 wrong command, 3 bad data, 4 rejected by the gate, 5 another job of this model is running, 6 collapse.
# After a crash or a kill the next run resumes. Flags: those of `training retrain --help`.
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
    4) why="rejected by the gate: the released version is unchanged" ;;
    5) why="another job of this model is running" ;;
    6) why="the generator collapsed: see the run's sample grids" ;;
    3) why="the data are invalid" ;;
    2) why="the command is wrong" ;;
    *) why="crashed: the next run resumes" ;;
esac
tr '\r' '\n' <"$log" | sed -n 's/^ *\(.*rror: .*\)$/\1/p' | tail -n 1
echo "retraining $model ended with $code: $why ($PWD/$log)"
exit $code
