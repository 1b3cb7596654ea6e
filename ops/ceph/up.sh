#!/usr/bin/env bash
# A Ceph with an S3 gateway on this host, in a folder, in memory, for tests: one monitor, one manager, one OSD, one
# gateway, from Debian's packages (apt-get install radosgw ceph-mon ceph-osd ceph-mgr). Not for anybody's pictures.
#
#   ops/ceph/up.sh FOLDER [PORT]    starts it, waits until it answers, and prints what `make test-s3` wants
#   ops/ceph/down.sh FOLDER         ends what it started
set -euo pipefail
folder=$(mkdir -p "$1" && cd "$1" && pwd)
port=${2:-7480}
mon_port=$((port + 1))
export CEPH_CONF="$folder/ceph.conf"
mkdir -p "$folder"/{mon,mgr,osd,rgw,run}
cat >"$CEPH_CONF" <<CONF
[global]
fsid = $(cat /proc/sys/kernel/random/uuid)
mon host = [v2:127.0.0.1:$mon_port/0]
auth cluster required = none
auth service required = none
auth client required = none
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 1
osd crush chooseleaf type = 0
mon allow pool size one = true
mon data avail crit = 1
osd objectstore = memstore
memstore device bytes = 1073741824
run dir = $folder/run
log file = $folder/\$name.log
admin socket = $folder/run/\$name.asok
pid file = $folder/run/\$name.pid
public addr = 127.0.0.1
mgr initial modules =
mon data = $folder/mon
mgr data = $folder/mgr
osd data = $folder/osd
[mon.a]
[client.rgw]
rgw frontends = beast endpoint=127.0.0.1:$port
rgw data = $folder/rgw
rgw thread pool size = 8
CONF
monmaptool --create --addv a "[v2:127.0.0.1:$mon_port]" --fsid "$(sed -n 's/^fsid = //p' "$CEPH_CONF")" --clobber "$folder/monmap" >/dev/null
ceph-mon --id a --mkfs --monmap "$folder/monmap"
ceph-mon --id a
ceph-mgr --id x
ceph osd create >/dev/null
ceph-osd --id 0 --mkfs
ceph-osd --id 0
radosgw -n client.rgw
for _ in $(seq 120); do
	curl -so /dev/null "http://127.0.0.1:$port" && break
	sleep 0.5
done
radosgw-admin user create --uid tests --display-name tests --access-key test-key --secret-key test-secret >/dev/null
echo "make test-s3 S3_TEST_ENDPOINT=http://127.0.0.1:$port S3_TEST_KEY=test-key S3_TEST_SECRET=test-secret"
