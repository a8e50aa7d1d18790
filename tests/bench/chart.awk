# chart.awk - reads bench.json, as table.awk writes it, a record on a line; prints
# an SVG. From the caller: date, machine.
#
# Times stand in one panel, in ns; memory in another, in bytes. The scales are
# logarithmic: a grid line for each power of ten. Counts, page tables and the
# smaller crowds are for the table alone.

BEGIN {
    BAR = 12; GAP = 7; LEFT = 160; WIDE = 560
    colours["roost"] = "#d9480f"
    colours["libev"] = "#868e96"
    colours["tokio"] = "#f2b705"
    colours["go"] = "#0ca5b0"
    colours["asyncio"] = "#1c7ed6"
    colours["trio"] = "#2f9e44"
    colours["node"] = "#9c36b5"
}

function field(name,    s) {
    s = $0
    sub(".*\"" name "\": \"?", "", s)
    sub("[\",].*", "", s)
    return s
}

/"bench":/ {
    bench = field("bench"); peer = field("peer"); unit = field("unit")
    value = field("value") + 0
    if (unit == "us") { value *= 1000; unit = "ns" }
    if ((unit != "ns" && unit != "bytes") || value <= 0 ||
        bench ~ /_pte$|^idle_100?000_/)
        next
    if (!(bench in panel)) { panel[bench] = unit; benches[++nbenches] = bench }
    if (!(peer in known)) { known[peer] = 1; peers[++npeers] = peer }
    of[bench, peer] = value
    if (!(unit in most) || value > most[unit]) most[unit] = value
    if (!(unit in least) || value < least[unit]) least[unit] = value
}

function log10(v) { return log(v) / log(10) }
function floor(v) { return v >= 0 || v == int(v) ? int(v) : int(v) - 1 }

function human(v, unit) {
    if (unit == "bytes")
        return sprintf(v < 100 ? "%.3g B" : "%.0f B", v)
    if (v < 1000)
        return sprintf("%.3g ns", v)
    return v < 1e6 ? sprintf("%.3g us", v / 1e3) : sprintf("%.3g ms", v / 1e6)
}

function colour(peer) {
    return peer in colours ? colours[peer] : "#495057"
}

function text(x, y, s, more) {
    printf "<text x=\"%.1f\" y=\"%.1f\"%s>%s</text>\n", x, y, more, s
}

function box(x, y, w, h, fill) {
    printf "<rect x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\" " \
        "fill=\"%s\"/>\n", x, y, w, h, fill
}

# Bars of a panel.
function count(unit,    i, j, c) {
    for (i = 1; i <= nbenches; i++)
        for (j = 1; j <= npeers; j++)
            c += panel[benches[i]] == unit && (benches[i], peers[j]) in of
    return c
}

function groups(unit,    i, c) {
    for (i = 1; i <= nbenches; i++)
        c += panel[benches[i]] == unit
    return c
}

function tall(unit) {
    return unit in most ? 44 + BAR * count(unit) + GAP * groups(unit) : 0
}

# The grid: a line for each power of ten, from below the least value on.
function grid(unit, top, bottom,    p, x) {
    low = floor(log10(least[unit]) - 0.15)
    scale = WIDE / (log10(most[unit]) - low)
    for (p = low; p <= log10(most[unit]); p++) {
        x = LEFT + (p - low) * scale
        printf "<line x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\" " \
            "stroke=\"#dee2e6\"/>\n", x, top, x, bottom
        text(x, top - 4, human(10 ^ p, unit),
            " text-anchor=\"middle\" fill=\"#868e96\"")
    }
}

function draw(unit, title, y,    i, j, b, v, w, first) {
    if (!(unit in most))
        return y
    text(8, y + 18, title, " font-weight=\"bold\"")
    grid(unit, y + 36, y + tall(unit) - GAP / 2)
    y += 40
    for (i = 1; i <= nbenches; i++) {
        b = benches[i]
        if (panel[b] != unit)
            continue
        first = 1
        for (j = 1; j <= npeers; j++) {
            if (!((b, peers[j]) in of))
                continue
            v = of[b, peers[j]]
            w = (log10(v) - low) * scale
            box(LEFT, y + 1, w, BAR - 2, colour(peers[j]))
            text(LEFT + w + 4, y + BAR - 2.5, human(v, unit), "")
            if (first)
                text(LEFT - 8, y + BAR - 2.5, b, " text-anchor=\"end\"")
            first = 0
            y += BAR
        }
        y += GAP
    }
    return y + 4
}

function legend(y,    j, x) {
    x = 8
    for (j = 1; j <= npeers; j++) {
        box(x, y - 9, 10, 10, colour(peers[j]))
        text(x + 14, y, peers[j], "")
        x += 30 + 7 * length(peers[j])
    }
}

END {
    if (!nbenches)
        exit 1
    height = 62 + tall("ns") + tall("bytes")
    gsub(/&/, "\\&amp;", machine)
    gsub(/</, "\\&lt;", machine)
    printf "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"800\" " \
        "height=\"%d\" viewBox=\"0 0 800 %d\" " \
        "font-family=\"sans-serif\" font-size=\"10.5\">\n", height, height
    box(0, 0, 800, height, "#ffffff")
    text(8, 20, "roost, " date ": one operation, less is better", \
        " font-size=\"15\" font-weight=\"bold\"")
    text(8, 36, machine "; medians, logarithmic scale", " fill=\"#495057\"")
    legend(54)
    y = draw("ns", "CPU time of one operation", 58)
    draw("bytes", "memory of one idle task", y)
    print "</svg>"
}
