# What a script does: processes, files, much input; how it ends badly; what it looks for.
set -eu
works() {
	for n in 0 1 2 3 4; do (echo "$n") & done | awk '{ sum += $1 } END { print "threads", sum }'
	echo "process $(echo hello | tr -d '\r' | sort | sed s/x/y/)"
	f=$(mktemp)
	printf kept >"$f"
	echo "file $(cat "$f")"
	rm "$f"
	echo "stdin $(wc -c)"
}
crash() { kill -ABRT $$; }
looks() {
	perl -MSocket -e 'print "socket ", (socket(S, AF_INET, SOCK_DGRAM, 0) ? "ok" : "refused"), "\n"'
	if [ -e /etc/shadow ]; then echo shadow true; else echo shadow false; fi
	set -- /proc/[0-9]*
	echo "processes $#"
}
"$1"
