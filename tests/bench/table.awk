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

# Of a rate more is better, of all else less.
function rate(key) { return unit[key] ~ /\/s$/ }

# The median of a key's samples; leaves the best in `best`.
function median(key,    i, j, v, s, m) {
    m = n[key]
    for (i = 1; i <= m; i++) {
        v = sample[key, i] + 0
        for (j = i - 1; j > 0 && s[j] > v; j--)
            s[j + 1] = s[j]
        s[j + 1] = v
    }
    best = rate(key) ? s[m] : s[1]
    return m % 2 ? s[(m + 1) / 2] : (s[m / 2] + s[m / 2 + 1]) / 2
}

function short(v) {
    if (v < 10)
        return sprintf("%.2f", v)
    return sprintf(v < 100 ? "%.1f" : "%.0f", v)
}

# "GOAL/DREAM", "GOAL" or "-".
function wish(bench, peer) {
    if (peer != "roost" || !(bench in goal))
        return "-"
    return goal[bench] (dream[bench] == "-" ? "" : "/" dream[bench])
}

# What the goal asks for, as a number; 0 when there is none to compare with.
function asked(bench, peer,    floor) {
    if (peer != "roost" || !(bench in goal))
        return 0
    if (goal[bench] !~ /^x/)
        return goal[bench]
    floor = bench SUBSEP "libev"
    return floor in n ? substr(goal[bench], 2) * median(floor) : 0
}

function unit_word(key) {
    return unit[key] == "instructions" ? "instr." : unit[key]
}

function over(value, base) {
    return base > 0 ? sprintf("%.2f", value / base) : "-"
}

# Instructions stand in a column of the bench that they belong to, if there is one.
function beside(bench) {
    return sub(/_instructions$/, "", bench) && (bench in seen)
}

function row(bench, peer,    key, value, floor, count, base, want) {
    key = bench SUBSEP peer
    if (!(key in n))
        return
    floor = bench SUBSEP "libev"
    count = bench "_instructions" SUBSEP peer
    base = peer != "libev" && floor in n ? median(floor) : 0
    want = asked(bench, peer)
    value = median(key)
    if (want > 0) {
        goals++
        # What is printed as 1.00 times the goal has met it.
        if (rate(key) ? value * 1.005 >= want : value <= want * 1.005) met++
        else missed = missed sprintf("  %s: %s %s, %s times the goal\n",
            bench, short(value), unit_word(key), over(value, want))
    }
    printf "%-22s %-8s %-6s %9s %9s", bench, peer, unit_word(key),
        short(value), short(best)
    printf " %9s %6s %7s %7s\n", wish(bench, peer), over(value, want),
        over(value, base), (count in n) ? short(sample[count, 1]) : "-"
}

function array(key,    i, s) {
    for (i = 1; i <= n[key]; i++)
        s = s (i > 1 ? ", " : "") sample[key, i]
    return s
}

END {
    printf "%-22s %-8s %-6s %9s %9s", "bench", "peer", "unit", "median", "best"
    printf " %9s %6s %7s %7s\n", "goal", "x goal", "x libev", "instr."
    for (i = 1; i <= nbenches; i++)
        if (!beside(benches[i]))
            for (j = 1; j <= npeers; j++)
                row(benches[i], peers[j])
    if (goals)
        printf "goals met: %d of %d\n%s", met, goals, missed
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
