#!/usr/bin/env bash
# Draws a data set, or trains a model, on nodes of a Slurm cluster.
#
#   sbatch --array=0-99 deploy/slurm.sh draw mnist --version 2 --seed 7 --count 1e6 --shard-size 10000 -o digits/
#   sbatch --nodes=4 deploy/slurm.sh train --data data/mine --preset mnist --run runs/mine
#
# Each task of an array draws its part. A training has one process on each node, or on each GPU with
# --ntasks-per-node=8 --gpus-per-node=8; it needs no torchrun, which would hide the exit codes. When one process ends
# early, all end, and the job goes into the queue again and on from its last checkpoint, unless that cannot help.
#SBATCH --job-name=mirage
#SBATCH --ntasks-per-node=1
#SBATCH --cpus-per-task=2
#SBATCH --requeue
#SBATCH --open-mode=append
set -euo pipefail

RESTARTS=10

train() {
    MASTER_ADDR=$(scontrol show hostnames "$SLURM_JOB_NODELIST" | head -n 1)
    export MASTER_ADDR MASTER_PORT=$((20000 + SLURM_JOB_ID % 10000)) WORLD_SIZE=$SLURM_NTASKS
    export OMP_NUM_THREADS=$SLURM_CPUS_PER_TASK
    local code=0
    # shellcheck disable=SC2016 # expanded in each process
    srun --kill-on-bad-exit=1 bash -c 'RANK=$SLURM_PROCID LOCAL_RANK=$SLURM_LOCALID exec mirage train "$@"' bash "$@" ||
        code=$?
    case $code in
        0 | 2 | 3 | 4 | 6) ;; # it would end in the same way again: see docs/retraining.md
        *) [ "${SLURM_RESTART_COUNT:-0}" -ge $RESTARTS ] || scontrol requeue "$SLURM_JOB_ID" ;;
    esac
    exit $code
}

case ${1-} in
    draw) exec srun mirage "$@" ;; # its part is SLURM_ARRAY_TASK_ID of SLURM_ARRAY_TASK_COUNT
    train) train "${@:2}" ;;
    *) sed -n '4,5s/^# *//p' "$0" >&2; exit 2 ;;
esac
