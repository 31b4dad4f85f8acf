#!/bin/sh
# Runs a script on each host by one ssh, side by side. usage: each.sh SCRIPT KEY KNOWN_HOSTS USER HOST PORT [HOST PORT]...
set -eu
script=$1 key=$2 known=$3 user=$4
shift 4
running=
while [ $# -gt 0 ]; do
    ssh -i "$key" -oBatchMode=yes -oUserKnownHostsFile="$known" -p "$2" "$user@$1" sh -s < "$script" &
    running="$running $!"
    shift 2
done
status=0
for process in $running; do
    wait "$process" || status=1
done
exit "$status"
