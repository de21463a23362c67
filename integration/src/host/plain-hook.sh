#!/bin/sh
# Runs once, at the end of mmdebstrap, with the new root as $1: adds the unit that runs a job, and nothing else.
set -eu
root=$1
echo plain > "$root/etc/hostname"
printf '127.0.0.1 localhost\n127.0.1.1 plain\n::1 localhost\n' > "$root/etc/hosts"
mkdir -p "$root/lab" "$root/out"
cat > "$root/etc/systemd/system/lab-job.service" <<'UNIT'
[Unit]
Description=What the lab has brought along
After=multi-user.target

[Service]
Type=exec
ExecStartPre=/usr/bin/mount -t ext4 -o ro /dev/disk/by-id/virtio-job /lab
ExecStart=/lab/bin/lab-guest serve
StandardError=journal+console
OOMScoreAdjust=-900
UNIT
# Where no such disk is, nothing is started.
cat > "$root/etc/udev/rules.d/99-lab.rules" <<'RULE'
SUBSYSTEM=="block", ENV{ID_SERIAL}=="job", TAG+="systemd", ENV{SYSTEMD_WANTS}+="lab-job.service"
RULE
