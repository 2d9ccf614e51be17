#!/usr/bin/env bash
# dvc 3.67.1: a frozen stage asks for its dependencies where its output is in place, but not in the cache.
#
# Guess: `dvc freeze` makes the output of a stage as good as data: who has the file that dvc.lock names, unchanged, can
#   reproduce what depends on it, as in a clone that holds the output and not the sources.
# Seen: where the output lies in the cache, or is one without a cache (`cache: false`), the stage below runs. Where it is
#   to be cached and is not yet, its checksum being that of dvc.lock, DVC saves the frozen stage first, and that ends with
#   "failed to reproduce 'long': dependency 'source' does not exist".
# Matters where an expensive stage is frozen, so that nobody need repeat it, and its output is handed on as a file.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check dvc==3.67.1
dvc() { DVC_NO_ANALYTICS=1 "$folder/venv/bin/dvc" "$@"; }
for kind in outs outs-no-cache; do
  mkdir "$folder/$kind" && cd "$folder/$kind"
  dvc init --no-scm --quiet
  echo 1 > source
  dvc stage add --quiet --name long --deps source --$kind result "cp source result"
  dvc stage add --quiet --name short --deps result --outs total "cp result total"
  dvc repro --quiet long
  dvc freeze --quiet long
  mkdir "$folder/$kind-handed-on"
  cp dvc.yaml dvc.lock result "$folder/$kind-handed-on"
  cd "$folder/$kind-handed-on"
  dvc init --no-scm --quiet
  status=0
  said=$(dvc repro short 2>&1) || status=$?
  echo "dvc $(dvc --version), --$kind: dvc repro short: status $status; $(grep ERROR <<<"$said" || echo "total is $(cat total)")"
  if [ $kind = outs ]; then
    [ "$status" -ne 0 ] && [ ! -e total ] && grep --quiet "dependency 'source' does not exist" <<<"$said"
  else
    [ "$status" -eq 0 ] && [ "$(cat total)" = 1 ]
  fi
done
