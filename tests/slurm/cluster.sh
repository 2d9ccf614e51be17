#!/usr/bin/env bash
# A Slurm cluster on this machine: `cluster.sh FOLDER NODES`. Each node has a network address, a host name and
# processes of its own, as a machine has; they share the file system but for /tmp/ray. The caller puts it into
# namespaces of its own (network, processes, mounts), with which all of it ends. FOLDER/ready says that it is up.
set -euo pipefail
folder=$1 nodes=$2 cpus=${3:-2}

mkdir -p "$folder/state" /tmp/ray
mount --make-rprivate /
mount -t tmpfs tmpfs /run
mkdir -p /run/netns

ip link set lo up
ip link add name cluster type bridge
ip address add 10.71.0.1/24 dev cluster
ip link set cluster up

# Munge wants all above its files to be root's or its own, and closed to others.
munge=/run/munge
mkdir -p "$munge"
dd if=/dev/urandom of="$munge/key" bs=128 count=1 status=none
chmod 600 "$munge/key"
munged --foreground --force --key-file="$munge/key" --socket="$munge/socket" --pid-file="$munge/pid" \
  --log-file="$folder/munged.log" --seed-file="$munge/seed" &
ln -s "$munge/socket" "$folder/munge" 2>/dev/null || true

cat >"$folder/slurm.conf" <<END
ClusterName=here
SlurmctldHost=$(hostname)(10.71.0.1)
SlurmUser=root
AuthType=auth/munge
AuthInfo=socket=$munge/socket
CredType=cred/munge
MpiDefault=none
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SchedulerType=sched/builtin
ReturnToService=2
KillWait=5
SlurmctldPort=6817
SlurmdPort=6818
StateSaveLocation=$folder/state
SlurmdSpoolDir=$folder/spool-%n
SlurmctldPidFile=$folder/slurmctld.pid
SlurmdPidFile=$folder/slurmd-%n.pid
SlurmctldLogFile=$folder/slurmctld.log
SlurmdLogFile=$folder/slurmd-%n.log
JobAcctGatherType=jobacct_gather/none
END
# Nothing here uses control groups, but slurmd wants to know which kind it would.
printf 'CgroupPlugin=cgroup/v1\nCgroupMountpoint=%s\n' "$folder/cgroup" >"$folder/cgroup.conf"
for n in $(seq "$nodes"); do
  mkdir -p "$folder/spool-node$n"
  echo "NodeName=node$n NodeAddr=10.71.0.$((n + 1)) NodeHostname=node$n CPUs=$cpus" >>"$folder/slurm.conf"
done
echo "PartitionName=all Nodes=node[1-$nodes] Default=YES MaxTime=INFINITE State=UP" >>"$folder/slurm.conf"
export SLURM_CONF=$folder/slurm.conf

until [ -S "$munge/socket" ]; do sleep 0.1; done
slurmctld -D &
for n in $(seq "$nodes"); do
  ip netns add "node$n"
  ip link add "veth$n" type veth peer name eth0 netns "node$n"
  ip link set "veth$n" master cluster up
  ip netns exec "node$n" ip link set lo up
  ip netns exec "node$n" ip address add "10.71.0.$((n + 1))/24" dev eth0
  ip netns exec "node$n" ip link set eth0 up
  ip netns exec "node$n" ip route add default via 10.71.0.1 # leads nowhere; Ray asks which address it would take
  ip netns exec "node$n" unshare --pid --fork --kill-child --mount --mount-proc --uts bash -c \
    "hostname node$n; mount -t tmpfs tmpfs /tmp/ray; exec slurmd -D -N node$n -f '$SLURM_CONF'" &
done
until [ "$(sinfo --noheader --states=idle --format=%D 2>/dev/null)" = "$nodes" ]; do sleep 0.5; done
touch "$folder/ready"
wait
