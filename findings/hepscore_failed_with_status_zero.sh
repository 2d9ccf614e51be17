#!/usr/bin/env bash
# HEPscore 1.5 (commit b275034): a failed score can leave with exit status 0.
#
# Guess: a run without a score (score -1, status "failed") leaves with a non-zero status, whichever workload failed.
# Seen: 2 if the first workload fails; 0 if the second does and the first was good. The status looks at the last
#   workload that has a result, and the failed one, after which the run stops, has none.
# Matters where a job or a pipeline decides by the status whether a score is there: it must read "status".
#
# HEPSCORE_SOURCE may name a checkout of the repository, where it cannot be fetched. The container engine is a
# stand-in: a script that leaves a report, or fails.
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
for word in "$@"; do case $word in *:/results) results=${word%:/results} ;; */bad:v1) exit 3 ;; esac; done
echo '{"app": {}, "run_info": {}, "report": {"wl-scores": {"sim": 4.0}}}' >"$results/good_summary.json"
ENGINE
chmod +x "$folder/bin/docker"
status_of() { # the order of two workloads, of which `bad` fails
  {
    echo "hepscore_benchmark:"
    echo "  settings: {name: S, reference_machine: m, registry: 'docker://x/y', method: geometric_mean,"
    echo "    repetitions: 1, container_exec: docker}"
    echo "  benchmarks:"
    for name in "$@"; do echo "    $name: {version: v1, ref_scores: {sim: 2.0}}"; done
  } >"$folder/config.yaml"
  status=0
  (cd "$folder" && PATH="$folder/bin:$PATH" PYTHONPATH="$source" PBR_VERSION=1.5.0 "$folder/venv/bin/python" -c \
    'from hepscore.main import main; main()' -f config.yaml -o "$folder/out.json" "$folder" >/dev/null 2>&1) || status=$?
  echo "$status $("$folder/venv/bin/python" -c 'import json, sys; s = json.load(open(sys.argv[1])); print(s["score"], s["status"])' "$folder/out.json")"
}
first=$(status_of bad good)
second=$(status_of good bad)
echo "exit status, score, status - the first workload fails: $first; the second one does: $second"
[ "$first" = "2 -1 failed" ] && [ "$second" = "0 -1 failed" ]
