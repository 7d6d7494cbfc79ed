# conformance.awk: compares two runs of php-src's tests. Read by scripts/php-conformance, proved by scripts/check-php-conformance.
#
# Input:  the files EXCEPTIONS REFERENCE OWN, in this order.
#         EXCEPTIONS  lines "TEST REFERENCE>OWN reason"; blank lines and # comments
#         REFERENCE, OWN  lines "TEST<tab>OUTCOME"
# Needs:  -v folders="DIR DIR ...": exceptions for tests elsewhere are left aside
# Output: "difference<tab>TEST<tab>REFERENCE<tab>OWN", "listed<tab>...", "stale<tab>TEST<tab>why", and one line
#         "totals<tab>tests<tab>alike<tab>passed<tab>skipped<tab>alike without passing or skipping"

function outcome(map, test) { return test in map ? map[test] : "ABSENT" }

BEGIN { FS = "\t"; count = split(folders, folder, " ") }
FILENAME == ARGV[1] {
    if ($0 ~ /^[ \t]*(#|$)/) next
    split($0, word, /[ \t]+/)
    reason = $0
    sub(/^[^ \t]+[ \t]+[^ \t]+[ \t]*/, "", reason)
    inside = 0
    for (i = 1; i <= count; i++) if (index(word[1], folder[i] "/") == 1) inside = 1
    if (!inside) next
    if (word[1] in listed || reason == "") { print "stale\t" word[1] "\tlisted twice, or without a reason"; next }
    listed[word[1]] = word[2]
    next
}
FILENAME == ARGV[2] { reference[$1] = $2; all[$1]; next }
FILENAME == ARGV[3] { own[$1] = $2; all[$1]; next }

END {
    for (test in all) {
        tests++
        theirs = outcome(reference, test)
        ours = outcome(own, test)
        if (ours == "PASSED") passed++
        if (ours == "SKIPPED") skipped++
        if (theirs == ours) {
            alike++
            if (ours != "PASSED" && ours != "SKIPPED") others++
            if (test in listed) print "stale\t" test "\tlisted as " listed[test] ", but both are " ours
        } else if (!(test in listed)) {
            print "difference\t" test "\t" theirs "\t" ours
        } else if (listed[test] != theirs ">" ours) {
            print "difference\t" test "\t" theirs "\t" ours
        } else {
            print "listed\t" test "\t" theirs "\t" ours
        }
    }
    for (test in listed) if (!(test in all)) print "stale\t" test "\tno such test was run"
    print "totals\t" tests + 0 "\t" alike + 0 "\t" passed + 0 "\t" skipped + 0 "\t" others + 0
}
