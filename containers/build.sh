#!/usr/bin/env bash
# Builds mlpf-bmk, the image of the benchmark: an OCI archive, and its bill of materials beside it.
#
#   containers/build.sh [--local-base] [--variant cpu|gpu] [--work FOLDER] [--out FOLDER]
#
#   --local-base  make the base with mmdebstrap, where no image registry can be reached
#   --variant     gpu: with PyTorch for CUDA; the environment must have that one
#   --work        storage of the build, kept for the next one (default: mlpf-hpo-container in TMPDIR)
#   --out         where mlpf-bmk-VARIANT.oci.tar and mlpf-bmk-VARIANT.cdx.json go (default: results/container)
#
# Packages are copied from the environment that PYTHON is of (default: .venv, which `make setup` makes), so that
# nothing is downloaded but the base. BASE names another one, with the same Python as python3.
# The same commit, environment, base and C compiler give the same layers.
set -euo pipefail
cd "$(dirname "$0")/.."
. containers/storage.sh

variant=cpu local_base='' work=${TMPDIR:-/tmp}/mlpf-hpo-container out=results/container
while [ $# -gt 0 ]; do
  case $1 in
    --local-base) local_base=yes; shift ;;
    --variant) variant=${2:?cpu or gpu}; shift 2 ;;
    --work) work=${2:?a folder}; shift 2 ;;
    --out) out=${2:?a folder}; shift 2 ;;
    -h | --help) sed -n '2,13s/^# \{0,1\}//p' "$0"; exit 0 ;;
    *) echo "$0: $1: unknown; $0 --help says what there is" >&2; exit 64 ;;
  esac
done
case $variant in cpu | gpu) ;; *) echo "$0: --variant is cpu or gpu, not $variant" >&2; exit 64 ;; esac
for tool in buildah ${local_base:+mmdebstrap}; do
  command -v "$tool" >/dev/null || { echo "$0: $tool is not installed (Debian: apt-get install $tool)" >&2; exit 69; }
done
python=${PYTHON:-$PWD/.venv/bin/python}
"$python" - "$variant" <<'EOF'
import sys
import torch
has = "cpu" if torch.version.cuda is None else "gpu"
if has != sys.argv[1]:
    sys.exit(f"PyTorch {torch.__version__} makes a {has} image, not {sys.argv[1]}; let PYTHON be of another environment")
EOF
mkdir -p "$work" "$out"
work=$(realpath "$work") out=$(realpath "$out")
container_storage "$work"
say() { printf '%s  %s\n' "$(date +%T)" "$*"; }

# Every file in the image is of the time of the commit, whenever it is built.
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct)}
export SOURCE_DATE_EPOCH
revision=$(git rev-parse HEAD)
git diff --quiet HEAD -- mlpf_hpo containers pyproject.toml setup.py || revision+=-changed

# 1. The base, with the Python of the environment: its packages have parts compiled for that one.
minor=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
declare -A suites=([3.11]=bookworm [3.13]=trixie)
if [ -z "$local_base" ]; then
  base=${BASE:-docker.io/library/python:$minor-slim-${suites[$minor]:-bookworm}}
else
  suite=${suites[$minor]:?no release of Debian has Python $minor: set BASE, or PYTHON of 3.11 or 3.13}
  base=localhost/mlpf-bmk-base:$suite
  if [ ! -f "$work/$suite.tar" ]; then
    say "base: Debian $suite"
    # Its packages have their own times; newer files are set to that of the epoch.
    mmdebstrap --quiet --format=tar --variant=minbase --include=python3 \
      --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/locale/*' \
      --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-include=/usr/share/doc/*/copyright' \
      "$suite" "$work/part.tar"
    mv "$work/part.tar" "$work/$suite.tar"
    buildah rmi --force "$base" >/dev/null 2>&1 || true
  fi
  if ! buildah inspect --type image "$base" >/dev/null 2>&1; then
    say "base: import"
    root=$(buildah from scratch)
    buildah add --quiet "$root" "$work/$suite.tar" / >/dev/null
    buildah commit --quiet --rm --timestamp "$SOURCE_DATE_EPOCH" "$root" "$base" >/dev/null
  fi
fi

# 2. This package, as a wheel of the files that git knows, and those that it imports.
say "packages"
source=$work/source context=$work/context-$variant
mkdir -p "$source" "$context/site" "$context/sbom" "$work/wheel"
find "$source" "$context" "$work/wheel" -mindepth 1 -delete
mkdir "$context/site" "$context/sbom"
git ls-files -z pyproject.toml setup.py README.md LICENSE mlpf_hpo | xargs -0 cp --parents -t "$source"
version=$("$python" -m setuptools_scm 2>/dev/null)
SETUPTOOLS_SCM_PRETEND_VERSION=$version "$python" -m pip --disable-pip-version-check wheel --quiet --no-deps --no-index \
  --no-build-isolation --wheel-dir "$work/wheel" "$source"
"$python" -m zipfile -e "$work"/wheel/*.whl "$context/site"
"$python" containers/collect.py containers/requirements.txt "$context/site" >"$work/packages-$variant.txt"

# 3. The bill of materials: every package in the image, by the interpreter that finds only these.
if command -v cyclonedx-py >/dev/null; then
  say "bill of materials"
  [ -x "$work/bare/bin/python" ] || "$python" -m venv --without-pip "$work/bare"
  PYTHONPATH=$context/site cyclonedx-py environment --output-reproducible --output-format JSON \
    --output-file "$context/sbom/mlpf-bmk.cdx.json" "$work/bare/bin/python"
  cp "$context/sbom/mlpf-bmk.cdx.json" "$out/mlpf-bmk-$variant.cdx.json"
else
  echo "no bill of materials: cyclonedx-py is not installed (pip install -r containers/tools.txt)" >&2
fi

# 4. The image. Modes are set as well: they would depend on the umask.
say "image"
chmod -R u=rwX,go=rX "$context"
image=localhost/mlpf-bmk-$variant:${version//+/-}
buildah bud --quiet --layers=false --timestamp "$SOURCE_DATE_EPOCH" --build-arg BASE="$base" \
  --build-arg VARIANT="$variant" --build-arg VERSION="$version" --build-arg REVISION="$revision" \
  --build-arg CREATED="$(date --utc --date="@$SOURCE_DATE_EPOCH" +%FT%TZ)" \
  --tag "$image" --file containers/Containerfile "$context" >/dev/null
archive=$out/mlpf-bmk-$variant.oci.tar
rm -f "$archive"
buildah push --quiet "$image" "oci-archive:$archive:mlpf-bmk-$variant"
say "$archive"
buildah inspect --type image "$image" | "$python" containers/describe.py
