#!/bin/sh
# Records the captures anew, in virtual machines that have nothing of this one: see README.md.
#
#	testdata/captures/make.sh [NAME...]
#
# NAME is upgrade, lost or pipe: a machine that is recorded. Needs what .ci/vm needs, and cc.
set -eu
cd "$(dirname "$0")/../.."
here=testdata/captures
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
tree=$work/tree
mkdir "$tree"

# Build IDs are chosen, so that they do not depend on the compiler.
program() {
	cc -O1 -Wall -Wextra -Werror -static -no-pie -Wl,--build-id="0x$2" -o "$tree/$1" $here/actor.c
}
library() {
	echo "int $1(void) { return $2; }" >"$work/library.c"
	cc -shared -fPIC -nostdlib -Wl,--build-id="0x$3" -o "$tree/$4" "$work/library.c"
}
id() { printf "$1%.0s" 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; }
program server "$(id 51)"
program worker "$(id 52)"
program job "$(id 53)"
library demo 1 "$(id d1)" demo1.so
library demo 2 "$(id d2)" demo2.so
library plugin 1 "$(id e1)" plugin.so
CGO_ENABLED=0 "${GO:-go}" build -trimpath -buildvcs=false -ldflags='-s -w' -o "$tree/vmasnap" ./cmd/vmasnap
cp $here/scene.sh "$tree/"

# capture runs the rest of its arguments, a script, in a virtual machine, and keeps what it delivers.
capture() {
	series=$1 append=$2 script=$3
	.ci/vm -t 150 -k "$series" -a "$append" "$tree" ". ./scene.sh
$script" >"$work/log" || { cat "$work/log"; exit 1; }
	awk -v dir="$work" '$1 == "begin" { out = dir "/" $2 ".b64"; next } $1 == "end" { out = ""; next } out { print > out; next } { print }' "$work/log"
	for text in "$work"/*.b64; do
		base64 -d "$text" >"$here/$(basename "$text" .b64)"
		rm "$text"
	done
}

demo=0x700000000000 plugin=0x700000100000

# The server maps the library and keeps it; the worker maps it too, and reloads it when it was
# upgraded.
upgrade() {
	capture 6.12 '' "
hostname alpha
as 1000; server map=/usr/lib/libdemo.so,$demo,0x2000 await=/run/cue/never &
as 1001; worker map=/usr/lib/libdemo.so,$demo,0x2000 \
	await=/run/cue/1 map=/usr/lib/plugin.so,$plugin,0x4000 \
	await=/run/cue/2 unmap=$((plugin + 0x1000)),0x1000 \
	await=/run/cue/3 move=$plugin,0x1000,$((plugin + 0x100000)) revoke=$((plugin + 0x3000)),0x1000 \
	await=/run/cue/4 unmap=$demo,0x2000 map=/usr/lib/libdemo.so,$demo,0x2000 \
	await=/run/cue/5 exec=/usr/bin/job map=/usr/lib/libdemo.so,$demo,0x2000 await=/run/cue/6 &
sleep 0.5
/test/vmasnap record --no-follow -q -o /tmp/before.data
record /tmp/upgrade.data --keyframe=1s -o /tmp/upgrade.data
brief 1010 1014
cue 1
cue 2
cue 3
brief 1020 1022
upgrade
brief 1030 1032
cue 4
cue 5
as 1040; server map=/usr/lib/libdemo.so,$demo,0x2000 await=/run/cue/never &
cue 6
sleep 0.5
stop
/test/vmasnap record --no-follow -q -o /tmp/after.data
deliver /tmp/before.data /tmp/upgrade.data /tmp/after.data"
}

# An old kernel, a ring buffer as small as can be, and a recorder that does not run for a while.
lost() {
	capture 6.1 '' "
hostname beta
as 1000; server map=/usr/lib/libdemo.so,$demo,0x2000 await=/run/cue/never &
as 1001; worker map=/usr/lib/plugin.so,$plugin,0x4000 \
	await=/run/cue/1 churn=/usr/lib/libdemo.so,$demo,0x2000,300 map=/usr/lib/libdemo.so,$demo,0x2000 \
	await=/run/cue/2 unmap=$plugin,0x2000 await=/run/cue/3 &
sleep 0.5
record /tmp/lost.data --ring-size=4K --keyframe=0 -o /tmp/lost.data
sleep 0.3
kill -STOP \$recorder
cue 1
sleep 0.5
kill -CONT \$recorder
sleep 1
cue 2
cue 3
stop
deliver /tmp/lost.data"
}

# A recording through a pipe, of which the last tenth is missing.
pipe() {
	capture 6.12 preempt=full "
hostname gamma
as 1000; server map=/usr/lib/libdemo.so,$demo,0x2000 await=/run/cue/never &
sleep 0.5
mkfifo /tmp/pipe
cat /tmp/pipe >/tmp/whole & reader=\$!
record /tmp/whole --hooks=fentry -o - >/tmp/pipe
brief 1010 1014
sleep 1
brief 1020 1024
sleep 1
upgrade
brief 1030 1034
sleep 1
stop
wait \$reader
head -c \$((\$(stat -c %s /tmp/whole) * 9 / 10)) /tmp/whole >/tmp/pipe.data
deliver /tmp/pipe.data"
}

for machine in ${*:-upgrade lost pipe}; do
	"$machine"
done
