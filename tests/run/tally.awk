# tally.awk - ctest's JUnit report as lines `passed|failed|skipped <tab> test <tab> why`, closed by `total <tab> N`.
#
# Only a test that itself said "skip" (exit status 77) is skipped: ctest also calls those skipped whose program is
# missing or whose fixture failed, and here they are failures. Exits with 1 when the report is cut short or its own
# count differs from what was read. Called by ./run.

function attribute(text, name, value) {
    if (!match(text, "[ \t\n]" name "=\"[^\"]*\"")) {
        return ""
    }
    value = substr(text, RSTART, RLENGTH)
    sub(/^[^"]*"/, "", value)
    sub(/"$/, "", value)
    return plain(value)
}

function plain(text) {
    gsub(/&lt;/, "<", text)
    gsub(/&gt;/, ">", text)
    gsub(/&quot;/, "\"", text)
    gsub(/&apos;/, "'", text)
    gsub(/&amp;/, "\\&", text)
    return text
}

function close_case(result, why) {
    if (status == "run") {
        result = "passed"
    } else if (skip_message ~ /^SKIP_/) {
        result = "skipped"
        why = skip_line != "" ? skip_line : "exit status 77"
    } else {
        result = "failed"
        why = skip_message != "" ? skip_message : (status == "disabled" ? "disabled" : "")
    }
    printf "%s\t%s\t%s\n", result, name, why
    count++
}

/^[ \t]*tests="/ && !announced { announced = attribute(" " $0, "tests") + 0 }
/<testcase / {
    name = attribute($0, "name")
    status = attribute($0, "status")
    skip_message = skip_line = ""
}
/<skipped / { skip_message = attribute($0, "message") }
tolower($0) ~ /skip/ && !/<skipped / {
    skip_line = plain($0)
    sub(/^[ \t]*(<system-out>)?/, "", skip_line)
    sub(/<\/system-out>.*/, "", skip_line)
}
/<\/testcase>/ { close_case() }
/<\/testsuite>/ { complete = 1 }

END {
    printf "total\t%d\t\n", count
    exit complete && count > 0 && count == announced ? 0 : 1
}
