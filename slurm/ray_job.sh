# shellcheck shell=bash
# Sourced by the jobs beside it. `run_with_ray COMMAND...` runs a command on the first node of the job, in a Ray
# cluster over all of its nodes. Some time before the limit Slurm sends SIGUSR1 (#SBATCH --signal): the command ends
# after its epochs in progress, and the job is queued again, to go on from there.

driver_file=".state/slurm-${SLURM_JOB_ID:?sbatch runs this, on a node of the job}"
ended_early=

end_of_job() {
  local end
  end=$(squeue --noheader --jobs="$SLURM_JOB_ID" --format=%e) || return 0
  [ -z "$end" ] || date --date="$end" +%s 2>/dev/null || true # "N/A": no limit
}

end_after_epochs() {
  ended_early=yes
  echo "$(date +%T): the job is to end; epochs in progress go on as long as there is time"
  if ! kill -USR1 "$(cat "$driver_file" 2>/dev/null)" 2>/dev/null; then
    scancel --signal=KILL "$SLURM_JOB_ID.0" # nothing trains yet
  fi
}

end_at_once() { # a preemption, after which Slurm itself queues the job again; or scancel
  kill -TERM "$(cat "$driver_file" 2>/dev/null)" 2>/dev/null || true
}

run_with_ray() {
  local head address step step_status status
  head=$(scontrol show hostnames "$SLURM_JOB_NODELIST" | head -n 1)
  address=$(scontrol show node --oneliner "$head" | sed 's/.* NodeAddr=\([^ ]*\).*/\1/')
  mkdir -p .state
  rm -f "$driver_file" "$driver_file.status"
  MLPF_HPO_JOB_END=$(end_of_job)
  export MLPF_HPO_JOB_END
  # Nodes start at different speeds, and Python from a shared file system slowly; Ray would wait for 30 s.
  export RAY_SYMMETRIC_RUN_CLUSTER_WAIT_TIMEOUT=${RAY_SYMMETRIC_RUN_CLUSTER_WAIT_TIMEOUT:-600}
  export RAY_USAGE_STATS_ENABLED=0 RAY_worker_niceness=0
  # The head node asks for a token; by itself it would make one, which nodes that began before do not send.
  RAY_AUTH_TOKEN=$(od -An -N32 -tx1 /dev/urandom | tr -d ' \n')
  export RAY_AUTH_TOKEN RAY_AUTH_MODE=token
  # A port of its own for each start: what was there before may still be closing.
  address=$address:$((20000 + (10 * SLURM_JOB_ID + ${SLURM_RESTART_COUNT:-0}) % 10000))

  trap end_after_epochs USR1
  trap end_at_once TERM
  srun --ntasks-per-node=1 --cpu-bind=none bash slurm/ray_node.sh "$address" "$driver_file" "$@" &
  step=$!
  while :; do # a signal ends `wait`, not the step
    wait "$step" && step_status=0 || step_status=$?
    kill -0 "$step" 2>/dev/null || break
  done
  if ! status=$(cat "$driver_file.status" 2>/dev/null); then
    # `ray symmetric-run` has status 0 where Ray could not start.
    [ -n "$ended_early" ] || echo "error: the command did not run, or was killed with its node; see above" >&2
    status=$((step_status ? step_status : 1))
    [ -z "$ended_early" ] || status=130
  fi
  rm -f "$driver_file" "$driver_file.status"

  case $ended_early,$status in
    yes,[012]) ;; # done, or an error that another start would meet again
    yes,*)
      echo "$(date +%T): queued again, to go on"
      scontrol requeue "$SLURM_JOB_ID"
      ;;
  esac
  return "$status"
}
