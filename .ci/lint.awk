# lint.awk - layers, style and forbidden calls, file by file. Called by lint with
# the layer table first, then every C file and header, and their names in `all`.

BEGIN {
    split(all, files, " ")
    for (i in files)
        known[files[i]] = 1
}
FILENAME ~ /layers$/ { read_table(); next }
FNR == 1 { begin_file() }
{ lines[FILENAME] = FNR; style(); code = strip($0); calls(); functions() }
/^[ ]*#[ ]*include/ { layers() }
END {
    for (file in lines)
        if (lines[file] > 500)
            print "warning: " file ": " lines[file] " lines, over 500: two rooms?"
    exit errors > 0
}

function error(line, text) { print FILENAME ":" line ": " text; errors++ }

# --- the table
function read_table(    i) {
    sub(/#.*/, "")
    for (i = 3; i <= NF; i++) {
        if ($1 == "layer") layer[$i] = $2
        if ($1 == "only") only[$2, "src/" $i] = 1
        if ($1 == "public") public[$2, $i] = 1
        if ($1 == "allow") allow["src/" $2, $i] = 1
    }
    if ($1 == "only") guarded[$2] = 1
    if ($1 == "public") narrow[$2] = 1
}

function begin_file(    name) {
    in_comment = 0
    open_at = 0
    name = FILENAME
    sub(/.*\//, "", name)
    if (index($0, "/* " name " - ") != 1)
        error(1, "does not open with its card: /* " name " - what it is.")
    if (FILENAME ~ /^src\// && room(FILENAME) == "")
        error(1, "its room is in no layer of .ci/layers")
}

# The longest room of the table that a path below src/ belongs to, or "".
function room(path,    name, best) {
    sub(/^src\//, "", path)
    sub(/\.[chS]$/, "", path)
    for (name in layer)
        if ((path == name || index(path, name "/") == 1) && length(name) > length(best))
            best = name
    return best
}

function exists(path) { return (path in known) }

function layers(    header, path, dir) {
    if (FILENAME !~ /^src\//)
        return
    header = $0
    sub(/^[^<"]*[<"]/, "", header)
    sub(/[>"].*/, "", header)
    if (guarded[header] && !only[header, FILENAME])
        error(FNR, "layer: <" header "> is not for this room")
    if (header ~ /^roost[.\/]/) {
        dir = FILENAME
        sub(/^src\//, "", dir)
        sub(/\/.*/, "", dir)
        if (narrow[dir] && !public[dir, header])
            error(FNR, "layer: " dir " must not know <" header ">")
        return
    }
    dir = FILENAME
    sub(/[^\/]*$/, "", dir)
    path = exists("src/" header) ? "src/" header : dir header
    if (!exists(path) || allow[FILENAME, header])
        return
    if (layer[room(path)] > layer[room(FILENAME)])
        error(FNR, "layer: " room(FILENAME) " must not include " header \
            ", it is higher")
}

# --- style
function style() {
    if (length($0) > 100)
        error(FNR, "style: " length($0) " columns, at most 100 (aim at 80)")
    if (/\t/ && FILENAME !~ /\.S$/)
        error(FNR, "style: a tab")
    if (/[ \t\r]$/)
        error(FNR, "style: blanks at the end")
}

function functions() {
    if ($0 ~ /^\{/)
        open_at = FNR
    if ($0 ~ /^\}/ && open_at) {
        if (FNR - open_at - 1 > 70)
            error(open_at, "style: a function of " (FNR - open_at - 1) \
                " lines, at most 70")
        open_at = 0
    }
}

# --- calls. A comment / * lint: why * / at the end of the line allows one.
# The line without comments and the contents of strings.
function strip(s,    out, at) {
    gsub(/\\./, "", s)
    gsub(/'"'/, "", s)
    while (s != "") {
        if (in_comment) {
            at = index(s, "*/")
            if (!at)
                return out
            s = substr(s, at + 2)
            in_comment = 0
            out = out " "
        }
        if (!match(s, /"[^"]*"|\/\*|\/\//))
            return out s
        out = out substr(s, 1, RSTART - 1)
        at = substr(s, RSTART, 2)
        if (at == "//")
            return out
        s = substr(s, RSTART + RLENGTH)
        if (at == "/*")
            in_comment = 1
        else
            out = out "\"\""
    }
    return out
}

# The name of the list that is called in the line, not as a member; or "".
function called(names,    s) {
    s = " " code
    if (!match(s, "[^A-Za-z0-9_.>](" names ")[ ]*\\("))
        return ""
    s = substr(s, RSTART + 1, RLENGTH - 1)
    sub(/[ (].*/, "", s)
    return s
}

function calls(    name) {
    if (/\/\* lint: [^ ]/)
        return
    name = called("strcpy|strcat|sprintf|vsprintf|gets")
    if (name != "")
        error(FNR, "style: " name "() knows no size")
    name = called("sleep|usleep|nanosleep|clock_nanosleep")
    if (name != "" && FILENAME ~ /^tests\//)
        error(FNR, "style: " name "() is a real sleep in a test")
    if (FILENAME !~ /^src\// || FILENAME ~ /^src\/core\/sys\.[ch]$/)
        return
    name = called("malloc|calloc|realloc|reallocarray|free|aligned_alloc" \
        "|posix_memalign|strdup|strndup|asprintf|vasprintf|mmap|munmap|mremap" \
        "|madvise|mprotect|clock_gettime|clock_gettime64|gettimeofday|time")
    if (name != "")
        error(FNR, "kernel: " name "() past core/sys")
}
