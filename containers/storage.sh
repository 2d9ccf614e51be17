# Sourced: keeps whatever buildah and podman store in one folder, and away from the user's own images.
container_storage() {
  mkdir -p "$1/storage" "$1/run"
  export CONTAINERS_STORAGE_CONF=$1/storage.conf CONTAINERS_CONF=$1/containers.conf TMPDIR=$1/tmp
  export BUILDAH_ISOLATION=chroot
  mkdir -p "$TMPDIR"
  # overlay shares layers; vfs, which copies them, works on every file system.
  printf '[storage]\ndriver = "%s"\nrunroot = "%s/run"\ngraphroot = "%s/storage"\n' \
    "${CONTAINER_STORAGE_DRIVER:-overlay}" "$1" "$1" >"$CONTAINERS_STORAGE_CONF"
  printf '[engine]\nruntime = "runc"\ncgroup_manager = "cgroupfs"\nevents_logger = "file"\n[containers]\ndefault_ulimits = ["nofile=4096:4096", "nproc=4096:4096"]\n' >"$CONTAINERS_CONF"
}
