"""The picture of docs/performance.md: how many times libzmq's work, row by row, as an SVG."""

WIDTH, LEFT, RIGHT, ROW, TOP = 760, 330, 60, 22, 46
COLOURS = {"uring": "#2f6f9f", "uv": "#9fc3da"}


def bars(measured):
    """(title of a group or None, label, ratio, backend)."""
    found = []
    for rows, sizes in measured:
        work, first = rows.work, True
        for size in sizes:
            for kind, label in work.who:
                heads = dict(work.compared(kind))
                ratio = rows.ratio(kind, size, heads.get("x libzmq"))
                if ratio is None or kind == work.rival or "-" not in kind or kind.startswith(("zmq", "raw")):
                    continue
                backend = "uv" if "uv" in kind.split("-") else "uring"
                found.append((work.title if first else None, f"{label}, {size} {work.size_name}",
                              1 / ratio if work.less else ratio, backend))
                first = False
    return found


def escape(text):
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def svg(measured):
    rows = bars(measured)
    most = max([ratio for _, _, ratio, _ in rows] + [1.0])
    scale = (WIDTH - LEFT - RIGHT) / most
    out, y = [], TOP
    for title, label, ratio, backend in rows:
        if title:
            y += 14
            out.append(f'<text x="8" y="{y + 15}" font-weight="bold">{escape(title)}</text>')
            y += ROW
        out.append(f'<text x="{LEFT - 8}" y="{y + 15}" text-anchor="end">{escape(label)}</text>'
                   f'<rect x="{LEFT}" y="{y + 3}" width="{ratio * scale:.1f}" height="{ROW - 6}" fill="{COLOURS[backend]}"/>'
                   f'<text x="{LEFT + ratio * scale + 5:.1f}" y="{y + 15}">{ratio:.1f}</text>')
        y += ROW
    one = LEFT + scale
    return "\n".join([
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{y + 16}" font-family="sans-serif" font-size="12">',
        f'<rect width="{WIDTH}" height="{y + 16}" fill="white"/>',
        '<text x="8" y="22" font-size="15">Times as fast as libzmq in the same run '
        '(dark: io_uring, light: libuv; line: libzmq)</text>',
        *out, f'<line x1="{one:.1f}" y1="{TOP}" x2="{one:.1f}" y2="{y + 6}" stroke="#b03030"/>', "</svg>", ""])
