# What happens in the guests that make.sh records: the functions that its commands are made of.
# /test holds vmasnap, the programs and the libraries; see make.sh.
set -u
PATH=$PATH:/usr/bin
mkdir -p /usr/bin /usr/lib /run/cue
cp server worker job /usr/bin/
cp demo1.so /usr/lib/libdemo.so
cp plugin.so /usr/lib/plugin.so

# as PID: the next process gets this number.
as() {
	echo "$(($1 - 1))" >/proc/sys/kernel/ns_last_pid
}

# cue NAME: whoever awaits it goes on.
cue() {
	: >"/run/cue/$1"
	sleep 0.25
}

# upgrade installs another build of the library under the same name, as package managers do.
upgrade() {
	cp demo2.so /usr/lib/libdemo.so.new
	mv /usr/lib/libdemo.so.new /usr/lib/libdemo.so
}

# brief FIRST LAST: short-lived processes with those numbers, one after the other. Each is forked by
# the shell and executes a program that maps the library.
brief() {
	pid=$1
	while [ "$pid" -le "$2" ]; do
		as "$pid"
		/usr/bin/job map=/usr/lib/libdemo.so,0x700000000000,0x2000
		pid=$((pid + 1))
	done
}

# record FILE FLAG... begins a recording of which the bytes get into FILE, and goes on when its first
# snapshot is there: the first frame has the Host alone.
record() {
	file=$1
	shift
	as 900
	/test/vmasnap record "$@" 2>/tmp/record.log &
	recorder=$!
	until [ -e "$file" ] && [ "$(stat -c %s "$file")" -gt 1500 ]; do
		kill -0 $recorder || { cat /tmp/record.log; exit 1; }
		sleep 0.1
	done
}

# stop ends it.
stop() {
	kill -TERM $recorder
	wait $recorder
	cat /tmp/record.log
}

# deliver FILE... prints files, for make.sh to find.
deliver() {
	for file; do
		/test/vmasnap check "$file"
		echo "begin $(basename "$file")"
		base64 "$file"
		echo "end $(basename "$file")"
	done
}
