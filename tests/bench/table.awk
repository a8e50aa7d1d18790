# table.awk - reads goals and "BENCH PEER UNIT VALUE" lines; prints the table, and
# writes the array of {bench, peer, unit, value, samples} to the file `json`.

FILENAME ~ /goals$/ {
    if ($1 !~ /^#/ && NF == 3) { goal[$1] = $2; dream[$1] = $3 }
    next
}
{
    key = $1 SUBSEP $2
    if (!(key in n)) { keys[++nkeys] = key; unit[key] = $3 }
    if (!($1 in seen)) { seen[$1] = 1; benches[++nbenches] = $1 }
    if (!($2 in known)) { known[$2] = 1; peers[++npeers] = $2 }
    sample[key, ++n[key]] = $4
}

# The median of a key's samples; leaves the least in `least`.
function median(key,    i, j, v, s, m) {
    m = n[key]
    for (i = 1; i <= m; i++) {
        v = sample[key, i] + 0
        for (j = i - 1; j > 0 && s[j] > v; j--)
            s[j + 1] = s[j]
        s[j + 1] = v
    }
    least = s[1]
    return m % 2 ? s[(m + 1) / 2] : (s[m / 2] + s[m / 2 + 1]) / 2
}

function short(v) {
    if (v < 10)
        return sprintf("%.2f", v)
    return sprintf(v < 100 ? "%.1f" : "%.0f", v)
}

function wish(table, bench, peer) {
    return peer == "roost" && bench in table ? table[bench] : "-"
}

# Instructions stand in a column of the bench that they belong to, if there is one.
function beside(bench) {
    return sub(/_instructions$/, "", bench) && (bench in seen)
}

function ratio(value, floor, peer) {
    if (peer == "libev" || !(floor in n) || median(floor) <= 0)
        return "-"
    return sprintf("%.2f", value / median(floor))
}

function row(bench, peer,    key, value, floor, count) {
    key = bench SUBSEP peer
    if (!(key in n))
        return
    value = median(key)
    floor = bench SUBSEP "libev"
    count = bench "_instructions" SUBSEP peer
    printf "%-24s %-8s %-6.6s %9s %9s", bench, peer, unit[key], short(value),
        short(least)
    printf " %7s %7s %8s %8s\n", wish(goal, bench, peer),
        wish(dream, bench, peer), ratio(value, floor, peer),
        (count in n) ? short(sample[count, 1]) : "-"
}

function array(key,    i, s) {
    for (i = 1; i <= n[key]; i++)
        s = s (i > 1 ? ", " : "") sample[key, i]
    return s
}

END {
    printf "%-24s %-8s %-6.6s %9s %9s", "bench", "peer", "unit", "median", "least"
    printf " %7s %7s %8s %8s\n", "goal", "dream", "x libev", "instr."
    for (i = 1; i <= nbenches; i++)
        if (!beside(benches[i]))
            for (j = 1; j <= npeers; j++)
                row(benches[i], peers[j])
    printf "[" >json
    for (i = 1; i <= nkeys; i++) {
        split(keys[i], k, SUBSEP)
        printf "%s\n  {\"bench\": \"%s\", \"peer\": \"%s\", ", (i > 1 ? "," : ""),
            k[1], k[2] >json
        printf "\"unit\": \"%s\", \"value\": %.6g, \"samples\": [%s]}",
            unit[keys[i]], median(keys[i]), array(keys[i]) >json
    }
    print "\n]" >json
    exit nkeys == 0
}
