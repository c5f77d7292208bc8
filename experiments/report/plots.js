"use strict";
// Shared by all plots: drawing at the width of their place, legends, and reading values by pointer or keys.
// Sizes are in px. Colours are CSS variables, so that light, dark and print need no redrawing.

const PHASES = ["NF1", "FF1", "NF2", "FF2"];
const MEANING = { NF1: "baseline", FF1: "field", NF2: "washout", FF2: "field again" };
const DASH = { NF1: "5 3", FF1: null, NF2: "2 3", FF2: "9 3" };
const SYMBOL = { NF1: "circle", FF1: "square", NF2: "triangle", FF2: "diamond2" };
const ANGLES = d3.range(8).map((k) => `${45 * k}°`);
const colour = (name) => `var(--${name})`;
const minus = (text) => text.replace(/-/g, "−");
const number = (value, digits = 1) => (value == null || !isFinite(value) ? "–" : minus(value.toFixed(digits)));
const between = (low, high, digits) =>
  low == null || high == null ? "" : ` (95 % interval ${number(low, digits)} to ${number(high, digits)})`;
const signed = (value) => minus(`${value}`);
/** A vertical axis, its label beside it. */
const vertical = (label, more) => ({ label, labelAnchor: "center", labelArrow: "none", ticks: 6, nice: true, tickFormat: signed, ...more });
const horizontal = (label, more) => ({ label, labelAnchor: "center", labelArrow: "none", ...more });
const margins = { marginLeft: 54, marginRight: 12, marginTop: 14, marginBottom: 40 };
const style = { background: "none", color: "currentColor", fontFamily: "inherit", fontSize: "12px" };

/** Draw into a place now and whenever its width changes; returns a function that draws again. */
function responsive(place, draw) {
  let width = 0;
  const redraw = () => {
    if (width) draw(width);
  };
  new ResizeObserver(([entry]) => {
    const now = Math.floor(entry.contentRect.width);
    if (now && now !== width) {
      width = now;
      redraw();
    }
  }).observe(place);
  return redraw;
}

/**
 * Let a reader walk through the points of a plot, by pointer, or by arrow keys, Home and End.
 * @param place   figure of the plot; the paragraph after it shows what is read
 * @param plot    from Plot.plot
 * @param points  in the order of the keys: {x, y: [...], html, dx}, in the units of the scales; dx in px
 * @param options by: "x" or "xy", what the nearest point is near in; label: for screen readers
 */
function explore(place, plot, points, { by, label }) {
  place.replaceChildren(plot);
  const svg = plot.tagName === "svg" ? plot : plot.querySelector("svg");
  const [x, y] = ["x", "y"].map((name) => plot.scale(name));
  const middle = (scale, value) => scale.apply(value) + (scale.bandwidth || 0) / 2;
  const places = points.map((point) => [middle(x, point.x) + (point.dx ?? 0), ...point.y.map((value) => middle(y, value))]);
  const readout = place.nextElementSibling;
  const hint = (readout.dataset.hint ??= readout.innerHTML);
  const [top, bottom] = y.range ? d3.extent(y.range) : [0, svg.clientHeight];
  const mark = d3.select(svg).append("g").attr("class", "mark").attr("display", "none").attr("pointer-events", "none");
  const rule = mark.append("line").attr("stroke", "currentColor").attr("stroke-opacity", by === "x" ? 0.5 : 0);
  let current = -1;
  const show = (i) => {
    current = Math.max(0, Math.min(points.length - 1, i));
    const [px, ...pys] = places[current];
    mark.attr("display", null);
    rule.attr("x1", px).attr("x2", px).attr("y1", top).attr("y2", bottom);
    mark.selectAll("circle").data(pys).join("circle").attr("cx", px).attr("cy", (py) => py)
      .attr("r", by === "x" ? 4 : 8).attr("fill", by === "x" ? "var(--page)" : "none")
      .attr("stroke", "currentColor").attr("stroke-width", 2);
    readout.innerHTML = points[current].html;
  };
  const hide = () => {
    mark.attr("display", "none");
    readout.innerHTML = hint;
  };
  const nearest = (event) => {
    const [mx, my] = d3.pointer(event, svg);
    return d3.leastIndex(places, (a, b) => distance(a, mx, my) - distance(b, mx, my));
  };
  const distance = ([px, ...pys], mx, my) =>
    by === "x" ? Math.abs(px - mx) : d3.min(pys, (py) => Math.hypot(px - mx, py - my));
  const steps = { ArrowRight: 1, ArrowUp: 1, ArrowLeft: -1, ArrowDown: -1, PageUp: 10, PageDown: -10 };
  svg.setAttribute("tabindex", "0");
  svg.setAttribute("role", "application");
  svg.setAttribute("aria-roledescription", "plot");
  svg.setAttribute("aria-label", `${label}. Arrow keys read values.`);
  svg.addEventListener("pointermove", (event) => show(nearest(event)));
  svg.addEventListener("pointerdown", (event) => show(nearest(event)));
  svg.addEventListener("pointerleave", (event) => event.pointerType === "mouse" && hide());
  svg.addEventListener("blur", hide);
  svg.addEventListener("keydown", (event) => {
    const ends = { Home: 0, End: points.length - 1 };
    if (event.key in ends) show(ends[event.key]);
    else if (event.key in steps) show(current < 0 ? 0 : current + steps[event.key]);
    else if (event.key === "Escape") hide();
    else return;
    event.preventDefault();
  });
}

/** Fill a legend with (svg mark, text) entries. */
function legend(place, entries) {
  place.innerHTML = entries.map(([mark, text]) => `<span><svg viewBox="0 0 28 12" aria-hidden="true">${mark}</svg>${text}</span>`).join("");
}

const lineMark = (name, dash) => `<path d="M0 6H28" style="stroke:${colour(name)};stroke-width:2.5${dash ? `;stroke-dasharray:${dash}` : ""}"/>`;
const bandMark = (name) => `<rect y="1" width="28" height="10" style="fill:${colour(name)};opacity:.22"/>`;
const diamondMark = `<path d="M14 1l5 5-5 5-5-5z" style="fill:var(--page);stroke:currentColor;stroke-width:1.5"/>`;
const symbolMark = (phase) => `<path transform="translate(14 6)" d="${d3.symbol(d3[SYMBOLS[phase]], 50)()}" style="fill:${colour(phase)}"/>`;
const SYMBOLS = { NF1: "symbolCircle", FF1: "symbolSquare", NF2: "symbolTriangle", FF2: "symbolDiamond2" };

/** Learning curves: phases one after the other, or FF2 over FF1. */
function learningPlot(place, learning, { over, singles }, width) {
  const names = PHASES.filter((phase) => phase in learning.phases && (!over || phase.startsWith("FF")));
  const shared = d3.min(names, (phase) => d3.max(learning.phases[phase].trials));
  let begin = 0;
  const series = names.map((phase) => {
    const { trials, mean, low, high, networks } = learning.phases[phase];
    const start = over ? 0 : begin;
    const keep = d3.range(trials.length).filter((i) => !over || trials[i] <= shared);
    begin += d3.max(trials);
    const point = (i, y) => ({ x: start + trials[i], y });
    return {
      phase, start, end: begin, trials,
      mean: keep.map((i) => point(i, mean[i])),
      band: low[0] == null ? [] : keep.map((i) => ({ x: start + trials[i], low: low[i], high: high[i] })),
      networks: singles ? networks.map((values) => keep.map((i) => point(i, values[i]))) : [],
    };
  });
  const study = over ? names.flatMap((phase) => (learning.study[phase] ?? []).filter(([t]) => t <= shared).map(([x, y]) => ({ x, y, phase }))) : [];
  const wide = width > 560;
  const plot = Plot.plot({
    width, height: Math.round(Math.max(260, Math.min(380, 0.45 * width))),
    ...margins, marginTop: over ? 14 : 28, style,
    x: horizontal(over ? "Trials in the phase" : "Trials since the start of the run", { ticks: wide ? 8 : 4, tickFormat: (v) => v.toLocaleString("en") }),
    y: vertical("Lateral deviation (mm)"),
    marks: [
      over ? null : series.filter((s) => s.phase.startsWith("FF")).map((s) => Plot.rect([s], { x1: "start", x2: "end", fill: "var(--shade)" })),
      Plot.ruleY([0], { stroke: "var(--muted)", strokeWidth: 0.8 }),
      series.map((s) => s.networks.map((line) => Plot.lineY(line, { x: "x", y: "y", stroke: colour(s.phase), strokeWidth: 0.6, strokeOpacity: 0.45 }))),
      series.map((s) => Plot.areaY(s.band, { x: "x", y1: "low", y2: "high", fill: colour(s.phase), fillOpacity: 0.22 })),
      series.map((s) => Plot.lineY(s.mean, { x: "x", y: "y", stroke: colour(s.phase), strokeWidth: 2 })),
      Plot.dot(study, { x: "x", y: "y", symbol: "diamond", r: 4.5, fill: "var(--page)", stroke: (d) => colour(d.phase), strokeWidth: 1.6, clip: false }),
      over ? null : Plot.text(series, { x: (s) => (s.start + s.end) / 2, frameAnchor: "top", dy: -20, text: (s) => (wide ? `${s.phase} ${MEANING[s.phase]}` : s.phase), fill: (s) => colour(s.phase), fontWeight: 600, fontSize: 12.5 }),
    ],
  });
  const words = (s, i) => {
    const { trials, mean, low, high } = learning.phases[s.phase];
    return `<b>${s.phase}, trial ${Math.round(trials[i]).toLocaleString("en")}:</b> ${number(mean[i])} mm${between(low[i], high[i], 1)}`;
  };
  const points = over
    ? series[0].mean.map(({ x }, i) => {
        const at = series.map((s) => d3.leastIndex(s.mean, (a, b) => Math.abs(a.x - x) - Math.abs(b.x - x)));
        return { x, y: series.map((s, j) => s.mean[at[j]].y), html: series.map((s, j) => words(s, at[j])).join("; ") };
      })
    : series.flatMap((s) => s.mean.map(({ x, y }, i) => ({ x, y: [y], html: words(s, i) })));
  explore(place, plot, points, { by: "x", label: over ? "Learning curves of FF1 and FF2" : "Learning curves of all phases" });
}

/** The ring of targets on the force axes, of the mean (which = 0) or of one network. */
function ringPlot(place, ring, which, width) {
  const points = PHASES.flatMap((phase) => ring.rings[phase][which].map(([x, y], k) => ({ phase, k, x, y })));
  // both axes have the same scale
  const [xs, ys] = ["x", "y"].map((axis) => d3.extent(points, (p) => p[axis]));
  const room = 0.08 * (xs[1] - xs[0]);
  const [xDomain, yDomain] = [xs, ys].map(([low, high]) => [low - room, high + room]);
  const inner = Math.min(width, 480) - margins.marginLeft - margins.marginRight;
  const height = (inner * (yDomain[1] - yDomain[0])) / (xDomain[1] - xDomain[0]);
  const plot = Plot.plot({
    width: inner + margins.marginLeft + margins.marginRight, height: Math.min(height, 1.2 * inner) + margins.marginTop + margins.marginBottom, ...margins, style,
    x: horizontal("First force axis (N)", { domain: xDomain, ticks: 5, tickFormat: signed }),
    y: vertical("Second force axis (N)", { domain: yDomain, ticks: 5, nice: false }),
    marks: [
      PHASES.map((phase) => {
        const its = points.filter((p) => p.phase === phase);
        return [
          Plot.line([...its, its[0]], { x: "x", y: "y", stroke: colour(phase), strokeWidth: 1.4, strokeDasharray: DASH[phase] }),
          Plot.dot(its, { x: "x", y: "y", symbol: SYMBOL[phase], fill: colour(phase), r: (p) => (p.k === 0 ? 6 : 3.5) }),
        ];
      }),
    ],
  });
  const html = (p) => `<b>${p.phase}, target at ${ANGLES[p.k]}:</b> ${number(p.x, 2)} N on the first axis, ${number(p.y, 2)} N on the second`;
  explore(place, plot, points.map((p) => ({ x: p.x, y: [p.y], html: html(p) })), { by: "xy", label: "Ring of targets before go" });
}

/** Projection of every network on the shift, NF1 = 0 and FF1 = 1. */
function shiftPlot(place, ring, width) {
  const points = PHASES.flatMap((phase) => ring.shift[phase].map((y, i) => ({ phase, i, y })));
  const means = PHASES.map((phase) => ({ phase, y: ring.mean[phase], low: ring.low[phase], high: ring.high[phase] }));
  const study = Object.entries(ring.study).map(([phase, [y]]) => ({ phase, y }));
  const size = Math.min(width, 480);
  const plot = Plot.plot({
    width: size, height: Math.round(0.72 * size), ...margins, style,
    x: { type: "point", domain: PHASES, label: null, padding: 0.6, tickFormat: (p) => `${p}\n${MEANING[p]}` },
    y: vertical("Projection on the shift (NF1 = 0, FF1 = 1)"),
    marks: [
      Plot.ruleY([0, 1], { stroke: "var(--muted)", strokeWidth: 0.8 }),
      Plot.line(points, { x: "phase", y: "y", z: "i", stroke: "var(--muted)", strokeWidth: 0.7, strokeOpacity: 0.6 }),
      Plot.dot(points, { x: "phase", y: "y", symbol: (p) => SYMBOL[p.phase], fill: (p) => colour(p.phase), r: 3, fillOpacity: 0.8 }),
      Plot.ruleX(means.filter((m) => m.low != null), { x: "phase", y1: "low", y2: "high", stroke: (m) => colour(m.phase), strokeWidth: 2.5, dx: 14 }),
      Plot.dot(means, { x: "phase", y: "y", fill: (m) => colour(m.phase), r: 5, dx: 14 }),
      Plot.dot(study, { x: "phase", y: "y", symbol: "diamond", fill: "var(--page)", stroke: "currentColor", strokeWidth: 1.5, r: 5, dx: 28 }),
    ],
  });
  const html = (p) => {
    const m = means.find((mean) => mean.phase === p.phase);
    return `<b>${p.phase}, network ${ring.networks[p.i]}:</b> ${number(p.y, 2)}; mean ${number(m.y, 2)}${between(m.low, m.high, 2)}`;
  };
  explore(place, plot, points.map((p) => ({ x: p.phase, y: [p.y], html: html(p) })), { by: "xy", label: "Shift of preparatory activity" });
}

/** One measure against the number of units: "fraction" or "saved". */
function sizePlot(place, size, measure, kind, width) {
  const its = size.runs.filter((run) => run.measure === measure);
  const study = kind === "fraction" ? size.study[measure].map(([units, y]) => ({ units, y })) : [];
  const series = kind === "fraction" ? [["pairs", "FF1", "of pairs", -6], ["paired", "NF1", "of networks", 6]] : [["saved", "FF1", "mean", 0]];
  const sizes = [...new Set([...its, ...study].map((d) => d.units))].sort((a, b) => a - b);
  const title = { initial: "initial deviation", rate: "learning rate" }[measure];
  const label = kind === "fraction" ? `Share that saves, ${title}` : measure === "initial" ? "Initial savings, FF1 − FF2 (mm)" : "Rate savings, FF2 / FF1";
  const doublings = (d) => Math.log2(d.units);
  const none = kind === "fraction" ? 0.5 : measure === "initial" ? 0 : 1;
  const plot = Plot.plot({
    width, height: Math.round(Math.max(230, 0.6 * width)), ...margins, style,
    x: horizontal("Recurrent units", { domain: [Math.log2(sizes[0]) - 0.4, Math.log2(sizes.at(-1)) + 0.4], ticks: sizes.map(Math.log2), tickFormat: (v) => `${Math.round(2 ** v)}` }),
    y: vertical(label, kind === "fraction" ? { domain: [0, 1] } : {}),
    marks: [
      Plot.ruleY([none], { stroke: "var(--muted)", strokeWidth: 0.8 }),
      Plot.dot(study, { x: doublings, y: "y", symbol: "diamond", r: 5, fill: "var(--page)", stroke: "currentColor", strokeWidth: 1.4 }),
      series.map(([key, name, , dx]) => [
        Plot.ruleX(its.filter((d) => d[key][1] != null), { x: doublings, y1: (d) => d[key][1], y2: (d) => d[key][2], stroke: colour(name), strokeWidth: 2, dx }),
        Plot.dot(its, { x: doublings, y: (d) => d[key][0], fill: colour(name), r: 4.5, dx, symbol: key === "paired" ? "circle" : "square" }),
      ]),
    ],
  });
  const points = its.flatMap((d) => series.filter(([key]) => d[key][0] != null).map(([key, , words, dx]) => ({
    x: doublings(d), dx, y: [d[key][0]],
    html: `<b>${d.run}, ${d.units} units:</b> ${number(d[key][0], 2)} ${words}${between(d[key][1], d[key][2], 2)}, ${d.networks} networks`,
  })));
  explore(place, plot, points, { by: "xy", label });
}
