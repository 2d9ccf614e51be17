#!/usr/bin/env bash
# ray 2.60.0: the command that `ray start --head` prints for further nodes is refused by the head that printed it.
#
# Guess: where ~/.ray/auth_token is there, every command takes the token from it, and the command as printed joins a node.
# Seen: only the head turns to tokens by itself, because of the file. `ray start --address` sends none until
#   RAY_AUTH_MODE=token is set, and the same holds for `ray.init("HOST:PORT")`; with the variable both take it from the file.
# Matters for who follows the "next steps" that the head prints, on one machine as on many: nothing says that the variable
#   is what is missing, as the error asks for the token.
set -euo pipefail
folder=$(mktemp -d)
export HOME=$folder RAY_USAGE_STATS_ENABLED=0
export RAY_raylet_start_wait_time_s=300 RAY_agent_register_timeout_ms=300000  # on a machine that is busy
unset RAY_AUTH_MODE RAY_AUTH_TOKEN RAY_AUTH_TOKEN_PATH RAY_ADDRESS
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check ray==2.60.0
ray=$folder/venv/bin/ray
"$ray" get-auth-token --generate >/dev/null 2>&1
pids=()
end() {
    for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; done
    wait || true
    rm -rf "$folder"
}
trap end EXIT
"$ray" start --head --block --port=0 --num-cpus=0 --include-dashboard=false --temp-dir="$folder/r" >"$folder/head" 2>&1 &
pids+=($!)
until grep -q "ray start --address=" "$folder/head"; do
    kill -0 "${pids[0]}"
    sleep 0.5
done
printed=$(sed -n "s/.*ray start --address='\([^']*\)'.*/\1/p" "$folder/head")
test -s "$folder/.ray/auth_token"
echo "ray 2.60.0, head prints: ray start --address='$printed'; the token is in ~/.ray/auth_token"
if timeout 120 "$ray" start --address="$printed" --num-cpus=0 --block >"$folder/as_printed" 2>&1; then status=0; else status=$?; fi
grep -o "InvalidAuthToken[^.]*" "$folder/as_printed" | head -1
test "$status" -ne 0 -a "$status" -ne 124
RAY_AUTH_MODE=token "$ray" start --address="$printed" --num-cpus=0 --block >"$folder/with_mode" 2>&1 &
pids+=($!)
for _ in $(seq 240); do
    if grep -q "Ray runtime started" "$folder/with_mode"; then
        echo "with RAY_AUTH_MODE=token: joined"
        exit 0
    fi
    kill -0 "${pids[1]}"
    sleep 0.5
done
exit 1
