#!/bin/sh
# Measures what docs/benchmarks.md promises, prints one table and writes it there.
# It ends by itself in under ten minutes. Other work on the machine shows in it.
# A figure that misses its must is marked, and the exit code is then 1.
#
#   scripts/bench.sh            everything
#   scripts/bench.sh FILE       a table of what `go test -bench` has printed into FILE
#
# A row of the table is a line of `rows`: what it tells; the benchmark and its
# figure; the unit; what stands beside the median (worst, or p99); must; aim; and the
# peer of the same run: its name and its figure. A must is a bound of the median and of
# what stands beside it, or of each ("0.7 s, worst 2 s"), or of the ratio to the peer
# ("≥ 0.95 × PostgreSQL"); "–" is none.
set -eu
page=docs/benchmarks.md

rows() {
	cat <<-'ROWS'
		overflowed call, active well → refusal|Refusal:refusal|ms|p99|50 ms|p99 20 ms
		… every channel of the active busy → refusal|RefusalWhileEveryChannelIsBusy:refusal|ms|p99|50 ms|p99 20 ms
		active killed, the PBX waits 1 s for it: overflow → 200 OK|MainKilled:answer|ms|worst|0.7 s, worst 2 s|0.25 s
		… → first row stored|MainKilled:stored|ms|worst|1.0 s, worst 2 s|0.5 s
		active killed, calls overflow at once: overflow → 200 OK|MainKilledWhileCallsOverflowAtOnce:answer|ms|worst|0.7 s, worst 2 s|0.25 s
		… → first row stored|MainKilledWhileCallsOverflowAtOnce:stored|ms|worst|1.0 s, worst 2 s|0.5 s|bare PostgreSQL pair, promoted by hand|bare-pair
		active frozen, the PBX waits 1 s for it: overflow → 200 OK|MainFrozen:answer|ms|worst|1.5 s, worst 3 s|0.5 s
		… → first row stored|MainFrozen:stored|ms|worst|1.8 s, worst 3 s|0.8 s
		active killed, nobody calls → secondary on duty, without the PBX's own timer|MainKilledAtNight:relieved|ms|worst|3.5 s|2 s
		mirror's PostgreSQL killed → commits flow again|MirrorAbdicates:commits-again|ms|worst|2 s|0.5 s
		whole secondary killed, with a witness → commits flow again|SecondaryKilledWithWitness:commits-again|ms|worst|2 s|0.5 s
		active killed while alone: overflow → 200 OK without the duty|MainKilledWhileAlone:answer|ms|worst|0.7 s, worst 2 s|0.25 s
		return to normal, from the command to protected|MainKilled:return|ms|worst|–|–
		… callers refused or not answered in one return|MainKilled:return-refused|calls|worst|0|0
		level backup, both well: the command → first call answered by the other|BackupSwitchover:well|ms|worst|10 s|3 s
		… the main dead: confirmed → first call answered by the secondary|BackupSwitchover:dead|ms|worst|10 s|1 s
		one row a commit, eight writers|MirroredCommit:commits|/s|worst|≥ 0.95 × PostgreSQL|≥ 1 ×|PostgreSQL's synchronous commit|postgresql
		facts stored as the product does, 64 a commit|MirroredDrain:facts|/s|worst|≥ 0.95 × PostgreSQL|≥ 1 ×|PostgreSQL's synchronous commit, a row each|postgresql
		200 channels with sound: packets within 5 ms|Pacing200:on-time|%|worst|≥ 99.9 %|≥ 99.9 %|a ticker for each call|ticker-on-time
		… 99th percentile of lateness|Pacing200:p99|ms|worst|–|–|a ticker for each call|ticker-p99
		… processor time for each packet|Pacing200:cpu|µs|worst|–|–|a ticker for each call|ticker-cpu
		idle main, share of a core|Idle:main-core|%|worst|< 0.5 %, worst < 1 %|< 0.5 %
		idle secondary, share of a core|Idle:secondary-core|%|worst|< 0.5 %, worst < 1 %|< 0.5 %
		idle main, memory without PostgreSQL|Idle:main-memory|MiB|worst|< 120 MiB|60 MiB
		idle secondary, memory without PostgreSQL|Idle:secondary-memory|MiB|worst|< 120 MiB|60 MiB
		whole site from nothing to protected|Start:start|ms|worst|–|–
	ROWS
}

# table joins the rows with the metrics of `go test -bench` in a file.
table() {
	rows | awk -F '|' -v printed="$1" '
	function metric(name) { return ((bench, name) in value) ? value[bench, name] : "" }
	function shown(x, unit) {
		if (x == "") return "–"
		if (unit == "ms" && x >= 995) return sprintf("%.2f s", x / 1000)
		if (unit == "/s" || unit == "calls") return sprintf("%.0f %s", x, unit)
		if (unit == "%" && x > 90) return sprintf("%.2f %s", x, unit)
		return sprintf(x < 10 ? "%.2f %s" : x < 100 ? "%.1f %s" : "%.0f %s", x, unit)
	}
	# number reads a bound, in the unit of the table: a second is a thousand ms.
	function number(bound) {
		if (!match(bound, /[0-9.]+/)) {
			print "scripts/bench.sh: a must without a number: " bound > "/dev/stderr"
			failed = 1
		}
		return substr(bound, RSTART, RLENGTH) * (bound ~ / s$/ ? 1000 : 1)
	}
	function misses(x, bound) {
		if (x == "" || bound == "–") return 0
		if (index(bound, "≥") == 1) return x + 0 < number(bound)
		return bound ~ /^</ ? x + 0 >= number(bound) : x + 0 > number(bound)
	}
	# held marks what is shown of x if x misses its bound, and says so.
	function held(x, text, bound) {
		if (!misses(x, bound)) return text
		print "scripts/bench.sh: " label ": " text " misses its must: " $5 > "/dev/stderr"
		failed = 1
		return "**" text " ✗**"
	}
	BEGIN {
		while ((getline line < printed) > 0) {
			n = split(line, word, /[ \t]+/)
			if (word[1] !~ /^Benchmark/ || n < 4) continue
			bench = word[1]; sub(/^Benchmark/, "", bench); sub(/-[0-9]+$/, "", bench)
			runs[bench] = word[2]
			for (i = 3; i < n; i += 2) value[bench, word[i+1]] = word[i]
		}
		print "| from → to | median | worst or p99 | runs | must | aim | beside it, same run | ours ÷ its |"
		print "|---|---|---|---|---|---|---|---|"
	}
	{
		split($2, key, ":"); bench = key[1]; name = key[2]; unit = $3
		if ($1 !~ /^… /) label = whole = $1
		else label = whole ", " substr($1, length("… ") + 1)
		median = metric(name "-median-" unit)
		beside = metric(name "-" $4 "-" unit)
		compared = $5 ~ / × /
		if (median == "" || beside == "") { print "scripts/bench.sh: nothing was measured for: " label > "/dev/stderr"; failed = 1 }
		split(compared ? "–" : $5, must, ", worst ")
		ours = held(median, shown(median, unit), must[1])
		worst = held(beside, ($4 == "p99" ? "p99 " : "") shown(beside, unit), must[2] == "" ? must[1] : must[2])
		n = metric(name "-n"); if (n == "") n = runs[bench]; n += 0
		its = metric($8 "-median-" unit)
		peer = $7 == "" ? "" : $7 ": " shown(its, unit)
		ratio = metric(name "-ratio"); if (ratio == "" && its > 0) ratio = median / its
		if (ratio != "") ratio = held(ratio, sprintf("%.2f", ratio), compared ? $5 : "–")
		print "| " $1 " | " ours " | " worst " | " n " | " $5 " | " $6 " | " peer " | " ratio " |"
	}
	END { exit failed }'
}

# conditions tells what the table was measured on.
conditions() {
	printf '%s, %s cores (%s), %s GiB, Linux, everything on its loopback; load average before %s, after %s.\n' \
		"$(date -u '+%Y-%m-%d %H:%M UTC')" "$(nproc)" "$(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1)" \
		"$(awk '/^MemTotal/ {printf "%.0f", $2 / 1048576}' /proc/meminfo)" "$1" "$2"
}

load() { cut -d ' ' -f 1-3 /proc/loadavg; }

measure() {
	go test ./adapters/phone/media -run '^$' -bench Pacing200 -benchtime 5x
	go test ./adapters/store -run '^$' -bench Mirrored -benchtime 50x
	go test ./proof/acceptance -run '^$' -bench . -skip '^BenchmarkStart$' -benchtime 7x -timeout 15m
	go test ./proof/acceptance -run '^$' -bench '^BenchmarkStart$' -benchtime 3x
}

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
before=$(load)
if [ $# -gt 0 ]; then
	table "$1"
	exit
fi
measure >"$work/printed" 2>&1 || {
	cat "$work/printed" >&2
	exit 1
}
table "$work/printed" >"$work/table" || missed=$?
{ echo; conditions "$before" "$(load)"; } >>"$work/table"
cat "$work/table"

# What stands between the two marks gives way to the table.
awk -v table="$work/table" '
	/<!-- end -->/ { inside = 0 }
	!inside { print }
	/<!-- measured -->/ { inside = 1; print ""; while ((getline line < table) > 0) print line; print "" }
' "$page" >"$work/page"
cat "$work/page" >"$page"
exit "${missed:-0}"
