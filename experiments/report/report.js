"use strict";
// Puts the plots of every run into its place when the run is first shown.

const report = JSON.parse(document.getElementById("report-data").textContent);

/** Draw the plots of one run. */
function fill(article, run, index) {
  const place = (name) => article.querySelector(`[data-plot="${name}"]`);
  const onChange = (names, react) =>
    names.forEach((name) => article.querySelectorAll(`[name="${name}-${index}"]`).forEach((field) => field.addEventListener("change", react)));
  if (run.learning) {
    const options = () => ({
      over: article.querySelector(`[name="view-${index}"]:checked`).value === "over",
      singles: article.querySelector(`[name="singles-${index}"]`)?.checked ?? false,
    });
    const redraw = responsive(place("learning"), (width) => {
      learningPlot(place("learning"), run.learning, options(), width);
      learningLegend(article.querySelector('[data-legend="learning"]'), run.learning, options());
    });
    onChange(["view", "singles"], redraw);
  }
  if (run.reaches) article.player = new Player(article.querySelector("[data-player]"), run.reaches, index, run.standard);
  if (run.ring) {
    const which = () => Number(article.querySelector(`[name="ring-${index}"]`).value);
    onChange(["ring"], responsive(place("ring"), (width) => ringPlot(place("ring"), run.ring, which(), width)));
    responsive(place("shift"), (width) => shiftPlot(place("shift"), run.ring, width));
    const entries = PHASES.map((phase) => [`<path d="M0 6H28" style="stroke:${colour(phase)};stroke-width:1.5${DASH[phase] ? `;stroke-dasharray:${DASH[phase]}` : ""}"/>${symbolMark(phase)}`, `${phase} ${MEANING[phase]}`]);
    if (Object.keys(run.ring.study).length) entries.push([diamondMark, "the study"]);
    legend(article.querySelector('[data-legend="phases"]'), entries);
  }
}

function learningLegend(place, learning, { over, singles }) {
  const names = over ? ["FF1", "FF2"].filter((phase) => phase in learning.phases) : [];
  const some = Object.values(learning.phases)[0];
  const entries = names.map((phase) => [lineMark(phase), `${phase} ${MEANING[phase]}`]);
  if (!over) entries.push([lineMark("NF2"), "mean of the networks"]);
  if (some.low[0] != null) entries.push([bandMark("NF2"), "95 % interval of the mean"]);
  if (singles && some.networks.length) entries.push([`<path d="M0 6H28" style="stroke:var(--NF2);stroke-width:.8;opacity:.6"/>`, "single network"]);
  if (over && Object.keys(learning.study).length) entries.push([diamondMark, "the study (40 networks)"]);
  legend(place, entries);
}

/** Draw savings against network size. */
function fillSize(size) {
  for (const measure of ["initial", "rate"]) {
    for (const [plot, kind] of [["size", "fraction"], ["saved", "saved"]]) {
      const place = document.querySelector(`[data-plot="${plot}-${measure}"]`);
      responsive(place, (width) => sizePlot(place, size, measure, kind, width));
    }
  }
  const square = `<rect x="9" y="1.5" width="9" height="9" style="fill:var(--FF1)"/>`;
  const disc = `<circle cx="14" cy="6" r="5" style="fill:var(--NF1)"/>`;
  legend(document.querySelector('[data-legend="size"]'), [[square, "of pairs; savings below"], [disc, "of networks"], [diamondMark, "of pairs, the study"]]);
}

/** Show one run and hide the others. */
function showRun(index) {
  document.querySelectorAll(".run").forEach((part) => (part.hidden = part.dataset.run !== `${index}`));
  const article = document.querySelector(`article[data-run="${index}"]`);
  if (!article.dataset.drawn) {
    article.dataset.drawn = "yes";
    fill(article, report.runs[index], index);
  }
}

document.querySelectorAll('[name="run"]').forEach((field) => field.addEventListener("change", () => showRun(Number(field.value))));
if (report.size) fillSize(report.size);
showRun(Number(document.querySelector('[name="run"]:checked')?.value ?? 0));
