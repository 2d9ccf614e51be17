#!/usr/bin/env bash
# HEPscore 1.5 (commit b275034): a retry is in vain if the run that failed left a report.
#
# Guess: with `retries: 1` a container that fails once and is good the next time leaves a score.
# Seen: so it is if the failed run left no report. If it left one, all reports are counted, two where one repetition
#   was asked for, and there is no score.
# Matters for workloads that write a report of what failed, as this one does: exit status and log say what happened.
#
# HEPSCORE_SOURCE may name a checkout of the repository, where it cannot be fetched. The container engine is a
# stand-in: a script that fails the first time, with a report or without.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
source=${HEPSCORE_SOURCE:-$folder/source}
if [ ! -d "$source" ]; then
  git clone --quiet https://github.com/NikitaP2001/hep-score-energy "$source"
  git -C "$source" checkout --quiet b275034
fi
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check pyyaml==6.0.2 pbr==6.1.1 "setuptools<80"
mkdir "$folder/bin"
cat >"$folder/bin/docker" <<'ENGINE'
#!/usr/bin/env bash
[ "$1" = run ] || { echo "Docker version 24.0.7"; exit; }
for word in "$@"; do case $word in *:/results) results=${word%:/results} ;; esac; done
[[ $results = */run0 && -n ${SILENT:-} ]] && exit 1
echo '{"app": {}, "run_info": {}, "report": {"wl-scores": {"sim": 4.0}}}' >"$results/one_summary.json"
[[ $results != */run0 ]]
ENGINE
chmod +x "$folder/bin/docker"
cat >"$folder/config.yaml" <<'CONFIG'
hepscore_benchmark:
  settings: {name: S, reference_machine: m, registry: 'docker://x/y', method: geometric_mean, repetitions: 1,
    retries: 1, container_exec: docker}
  benchmarks:
    one: {version: v1, ref_scores: {sim: 2.0}}
CONFIG
score() {
  (cd "$folder" && PATH="$folder/bin:$PATH" PYTHONPATH="$source" PBR_VERSION=1.5.0 SILENT=$1 "$folder/venv/bin/python" -c \
    'from hepscore.main import main; main()' -f config.yaml -o "$folder/out.json" "$folder" >/dev/null 2>&1) || true
  "$folder/venv/bin/python" -c 'import json, sys; print(json.load(open(sys.argv[1]))["score"])' "$folder/out.json"
}
without=$(score yes)
sleep 1 # the folder of a run is named by the second
with=$(score "")
echo "score after one retry - the failed run left no report: $without; it left one: $with"
[ "$without" = 2.0 ] && [ "$with" = -1 ]
