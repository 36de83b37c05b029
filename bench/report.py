"""What was measured, as text for a terminal and as Markdown for docs/performance.md."""


def number(x):
    if x is None:
        return "-"
    digits = 4 if x < 0.1 else 2 if x < 10 else 1 if x < 1000 else 0
    return f"{x:.{digits}f}"


def times(x):
    return "-" if x is None else f"{x:.2f}"


def heads(work):
    """Every column of ratios that any contestant has."""
    found = []
    for kind, _ in work.who:
        found += [head for head, _ in work.compared(kind) if head not in found]
    return found


def cells(rows, kind, size):
    """The ratios of a row, by column; a contestant is not compared with itself."""
    return [rows.ratio(kind, size, other) if other != kind else None
            for other in (dict(rows.work.compared(kind)).get(head) for head in heads(rows.work))]


def judged(rows, kind, size):
    goal = rows.goal(kind, size)
    if goal is None:
        return ""
    return goal[0] + {True: " met", False: " NOT MET", None: " ?"}[goal[1]]


def seconds(x):
    return f"{x:.3f}" if x else "-"


def text(rows, sizes):
    work = rows.work
    columns = heads(work)
    print(f"\n{work.title} ({work.unit})")
    print(f"{work.size_name:>9}  {'who':<30}{'median':>9}{'spread':>8}" + "".join(f"{c:>10}" for c in columns)
          + f"{'CPU s/M':>10}{'middle':>8}  goal")
    for size in sizes:
        for kind, label in work.who:
            value = rows.value(kind, size)
            if value is None:
                if (kind, size) in rows.reasons:
                    print(f"{size:>9}  {label:<30}{'-':>9}  {rows.reasons[(kind, size)]}")
                continue
            cpu, middle = (rows.median(kind, size, of) for of in (lambda r: r.cpu, lambda r: r.middle))
            print(f"{size:>9}  {label:<30}{number(value / work.scale):>9}{rows.spread(kind, size) * 100:>7.0f}%"
                  + "".join(f"{times(c):>10}" for c in cells(rows, kind, size))
                  + f"{seconds(cpu):>10}{seconds(middle):>8}  {judged(rows, kind, size)}")


def markdown(measured):
    """One table of all works; `measured` is a list of (rows, sizes)."""
    lines = []
    for rows, sizes in measured:
        work = rows.work
        columns = heads(work)
        lines += [f"**{work.title}** ({work.unit})", "",
                  f"| {work.size_name} | who | median | " + "".join(c + " | " for c in columns) + "CPU s/M | goal |",
                  "|" + "---|" * (5 + len(columns))]
        for size in sizes:
            for kind, label in work.who:
                value = rows.value(kind, size)
                if value is None:
                    continue
                ratios = "".join(f"{times(c)} | " for c in cells(rows, kind, size))
                cpu = rows.median(kind, size, lambda r: r.cpu)
                lines.append(f"| {size} | {label} | {number(value / work.scale)} | {ratios}"
                             f"{seconds(cpu)} | {judged(rows, kind, size) or '-'} |")
        lines.append("")
    return "\n".join(lines)
