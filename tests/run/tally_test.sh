#!/bin/sh
# tally_test.sh CASE - what tests/run/tally.awk promises: nothing that ctest reports is lost, and nothing but a test
# that skipped itself is called skipped. Run by ctest.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

report() { # report TOTAL: a report with each outcome that ctest knows, which says that it has TOTAL tests
    cat <<XML
<?xml version="1.0" encoding="UTF-8"?>
<testsuite name="(empty)"
	tests="$1"
	failures="2"
	>
	<testcase name="good" classname="good" time="0.1" status="run">
		<system-out>12 of 12, nothing to skip
</system-out>
	</testcase>
	<testcase name="a &amp; b" classname="a &amp; b" time="0.1" status="fail">
		<failure message=""/>
		<system-out>&lt;testcase name=&quot;fake&quot; status=&quot;run&quot;&gt;
</system-out>
	</testcase>
	<testcase name="absent data" classname="absent data" time="0.1" status="notrun">
		<skipped message="SKIP_RETURN_CODE=77"/>
		<system-out>skipped: no golden files at ../shared
</system-out>
	</testcase>
	<testcase name="absent program" classname="absent program" time="0" status="notrun">
		<skipped message="Unable to find executable"/>
		<system-out>Unable to find executable: x</system-out>
	</testcase>
	<testcase name="off" classname="off" time="0" status="disabled">
		<system-out>Disabled</system-out>
	</testcase>
</testsuite>
XML
}

tally() { "$AWK" -f "$here/tally.awk" "$1"; }

case $1 in
every_outcome_is_counted_once)
    report 5 >"$work/report.xml"
    tally "$work/report.xml" >"$work/got"
    tr '|' '\t' >"$work/expected" <<'TEXT'
passed|good|
failed|a & b|
skipped|absent data|skipped: no golden files at ../shared
failed|absent program|Unable to find executable
failed|off|disabled
total|5|
TEXT
    diff "$work/expected" "$work/got"
    ;;
a_cut_report_is_an_error)
    report 5 | head -n 12 >"$work/report.xml"
    ! tally "$work/report.xml" >/dev/null
    ;;
a_wrong_total_is_an_error)
    report 6 >"$work/report.xml"
    ! tally "$work/report.xml" >/dev/null
    ;;
no_test_is_an_error)
    printf '<testsuite name="(empty)"\n\ttests="0"\n\t>\n</testsuite>\n' >"$work/report.xml"
    ! tally "$work/report.xml" >/dev/null
    ;;
reports_of_this_ctest_are_understood)
    cat >"$work/CMakeLists.txt" <<'TEXT'
cmake_minimum_required(VERSION 3.22)
project(tally NONE)
enable_testing()
add_test(NAME good COMMAND sh -c "exit 0")
add_test(NAME bad COMMAND sh -c "exit 1")
add_test(NAME skips COMMAND sh -c "echo skipped: no data; exit 77")
add_test(NAME absent COMMAND /no/such/program)
set_tests_properties(skips PROPERTIES SKIP_RETURN_CODE 77)
TEXT
    "$CMAKE" -S "$work" -B "$work/build" -G "$GENERATOR" >/dev/null
    "$CTEST" --test-dir "$work/build" --output-junit "$work/report.xml" >/dev/null 2>&1 || true
    tally "$work/report.xml" | cut -f 1,2 >"$work/got"
    printf 'passed\tgood\nfailed\tbad\nskipped\tskips\nfailed\tabsent\ntotal\t4\n' >"$work/expected"
    diff "$work/expected" "$work/got"
    ;;
*)
    echo "no such case: $1" >&2
    exit 2
    ;;
esac
