# closure.awk: which library packages have to be fetched.
#
# Input:  the output of `apt-cache dumpavail`, one stanza per package, already narrowed to the candidate
#         versions of the chosen suites.
# Needs:  -v roots="NAME NAME ..."
# Output: one line "NAME VERSION" per package, unsorted.
#
# Followed are only PHP libraries: packages for all architectures whose name starts with php-. PHP itself,
# its extensions (source package php-defaults) and everything compiled is left out, because the server brings
# its own PHP. Of alternatives ("a | b") every PHP library is taken; version constraints are not checked: a
# suite is consistent in itself.

/^Package: /      { name = $2; known[name] = 1 }
/^Version: /      { version[name] = $2 }
/^Architecture: / { architecture[name] = $2 }
/^Source: /       { source[name] = $2 }
/^Depends: /      { sub(/^Depends: /, ""); depends[name] = $0 }

function is_library(package) {
    return package ~ /^php-/ && architecture[package] == "all" && source[package] != "php-defaults"
}

END {
    count = split(roots, queue, " ")
    for (i = 1; i <= count; i++) seen[queue[i]] = 1
    for (i = 1; i <= count; i++) {
        package = queue[i]
        if (!(package in known)) {
            print "no package " package " in these suites" > "/dev/stderr"
            failed = 1
            continue
        }
        terms = split(depends[package], term, /[ \t]*[,|][ \t]*/)
        for (t = 1; t <= terms; t++) {
            wanted = term[t]
            sub(/[ \t(:].*/, "", wanted)
            if (wanted in seen) continue
            seen[wanted] = 1
            if (is_library(wanted)) queue[++count] = wanted
        }
    }
    if (failed) exit 1
    for (i = 1; i <= count; i++) print queue[i], version[queue[i]]
}
