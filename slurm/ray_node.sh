#!/usr/bin/env bash
# What each node of a job runs: `ray_node.sh ADDRESS FILE COMMAND...`. Ray starts on all of them, the command on the
# one that has the address; FILE then has its process id, and FILE.status how it ended.
set -euo pipefail
address=$1 driver_file=$2
shift 2

# With MLPF_HPO_IMAGE, all of it runs in that Apptainer image.
inside=()
if [ -n "${MLPF_HPO_IMAGE:-}" ]; then
  inside=(apptainer exec --bind "$PWD" --pwd "$PWD")
  if [ -e /dev/nvidiactl ]; then inside+=(--nv); fi
  inside+=("$MLPF_HPO_IMAGE")
fi
if ! "${inside[@]}" bash -c 'command -v ray' >/dev/null; then
  echo "error: $(hostname): no ray in ${MLPF_HPO_IMAGE:-$PWD/.venv or on PATH}; \`make setup\` where every node sees it" >&2
  exit 1
fi

# The command attaches to the cluster by RAY_ADDRESS; without it, it would train on its own node alone.
# shellcheck disable=SC2016 # for the inner shell
driver='export RAY_ADDRESS=$1; shift; "$@" & echo $! >"$0"; wait $!; echo $? >"$0.status"'

# The node is the job's alone: what runs of Ray was left by a start that was cut off.
"${inside[@]}" ray stop --force >/dev/null

"${inside[@]}" ray symmetric-run --address "$address" --min-nodes "$SLURM_JOB_NUM_NODES" \
  --num-cpus="$SLURM_CPUS_ON_NODE" --disable-usage-stats \
  -- bash -c "$driver" "$driver_file" "$address" "$@" &
ray=$!
# Once the command has ended, the first node ends Ray. The others would notice after a minute; `ray stop` alone leaves
# `ray start --block` there, so this ends, and Slurm ends what is left.
while kill -0 "$ray" 2>/dev/null; do
  if [ -s "$driver_file.status" ]; then
    for _ in $(seq 20); do
      sleep 1
      kill -0 "$ray" 2>/dev/null || break 2
    done
    "${inside[@]}" ray stop --force >/dev/null
    exit 0
  fi
  sleep 1
done
wait "$ray"
