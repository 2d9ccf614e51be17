#!/usr/bin/env bash
# Builds the image, runs it as a site would, and looks at all that it promises: `make container`.
#
#   containers/check.sh [--if-possible] [options of build.sh]
#
#   --if-possible  where tools are missing, say which, and leave with status 0
#
# The image runs two copies with no network, on a read-only root, not as root; its report is checked and scored.
set -euo pipefail
cd "$(dirname "$0")/.."
. containers/storage.sh

if_possible='' work=${TMPDIR:-/tmp}/mlpf-hpo-container out=results/container build=()
while [ $# -gt 0 ]; do
  case $1 in
    --if-possible) if_possible=yes; shift ;;
    --work) work=${2:?a folder}; build+=("$1" "$2"); shift 2 ;;
    --out) out=${2:?a folder}; build+=("$1" "$2"); shift 2 ;;
    *) build+=("$1"); shift ;;
  esac
done
missing=()
for tool in buildah podman runc $([[ " ${build[*]} " != *" --local-base "* ]] || echo mmdebstrap); do
  command -v "$tool" >/dev/null || missing+=("$tool")
done
if [ ${#missing[@]} -gt 0 ]; then
  echo "container: skipped, not installed: ${missing[*]} (Debian: apt-get install ${missing[*]})"
  if [ -n "$if_possible" ]; then exit 0; else exit 69; fi
fi
python=${PYTHON:-$PWD/.venv/bin/python}
begin=$SECONDS
say() { printf '%4d s  %s\n' $((SECONDS - begin)) "$*"; }
fail() { echo "container: $*" >&2; exit 1; }

# The linter and the bill of materials have tools of their own, which the package doesn't need.
mkdir -p "$work"
work=$(realpath "$work")
tools=$work/tools
if [ ! -f "$tools/complete" ]; then
  "$python" -m venv "$tools"
  "$tools/bin/python" -m pip --disable-pip-version-check install --quiet --requirement containers/tools.txt
  touch "$tools/complete"
fi
export PATH=$tools/bin:$PATH
hadolint containers/Containerfile
say "Containerfile: nothing to object"

containers/build.sh "${build[@]}"
mkdir -p "$out"
out=$(realpath "$out")
container_storage "$work"
archive=$out/mlpf-bmk-cpu.oci.tar
say "built: $(du -h "$archive" | cut -f1) packed"
image=$(podman pull --quiet "oci-archive:$archive")
size=$(podman image inspect --format '{{.Size}}' "$image")
[ "$size" -lt 1000000000 ] || fail "$size bytes: it must be less than 1 GB"
for label in title version revision created licenses; do
  podman image inspect --format "{{index .Labels \"org.opencontainers.image.$label\"}}" "$image" | grep -q . \
    || fail "no label $label"
done
"$python" -c 'import json, sys
names = {part["name"] for part in json.load(open(sys.argv[1]))["components"]}
sys.exit(0 if {"torch", "numpy", "mlpf_hpo"} <= names else f"bill of materials lacks packages: {sorted(names)}")' \
  "$out/mlpf-bmk-cpu.cdx.json"
say "$size bytes, labels, bill of materials"

# As HEPscore does it: a folder that anybody may write to.
results=$(mktemp -d "$work/results.XXXXXX")
chmod 1777 "$results"
trap 'rm -rf --one-file-system "$results"' EXIT
run() { podman run --rm --network=none --read-only --tmpfs /tmp:rw,mode=1777 "$@"; }
user=$(run --entrypoint id "$image" -u)
[ "$user" != 0 ] || fail "runs as root"
run -v "$results:/results" "$image" -W -c 2 -t 1 -e 96 --epochs 3
say "ran two copies"
"$python" - "$results" <<'EOF'
import json, sys
from pathlib import Path
report = json.loads(Path(sys.argv[1], "mlpf-bmk_summary.json").read_text())
hardware, app, measured = report["hardware"], report["app"], report["measurements"]
for what, holds in {
    "log": report["report"]["log"] == "ok",
    "copies": report["run_info"]["copies"] == 2,
    "containment": app["containment"] == "oci",
    "same numbers in both copies": measured["losses_agree"],
    "compiled kernels": not hardware["cpu_kernels"].startswith("none"),
}.items():
    if not holds:
        sys.exit(f"report: {what}: {json.dumps(report)[:2000]}")
EOF
say "the report is as it should be"
runs=$work/hepscore
rm -rf --one-file-system "$runs"
mkdir -p "$runs/mlpf-bmk"
cp -r "$results" "$runs/mlpf-bmk/run0"
cat >"$runs/hepscore.yaml" <<'EOF'
hepscore_benchmark:
  settings: {name: check, reference_machine: none, registry: "docker://localhost", method: geometric_mean, repetitions: 1}
  benchmarks: {mlpf-bmk: {version: check, ref_scores: {mlpf-train-cpu: 100}}}
EOF
score=$("$python" -m mlpf_hpo.cli hepscore "$runs/hepscore.yaml" --replay "$runs")
say "scored: ${score%%$'\n'*}"
# Options as HEPscore passes them, and a folder that cannot be written to: a status of its own, no traceback.
status=0
said=$(run -v "$results:/results:ro" "$image" -W -c 1 -e 8 --epochs 2 2>&1) || status=$?
[ "$status" = 65 ] || fail "results that cannot be written: status $status and not 65: $said"
[[ $said != *Traceback* ]] || fail "a traceback: $said"
say "unwritable results: $said"
