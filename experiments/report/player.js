"use strict";
// The reach player: an arm that follows a recorded hand, with muscles and units under one time cursor.
// Positions are in mm, y away from the chest; times in s.

const MUSCLES = {
  pectoralis: "flexes the shoulder", deltoid: "extends the shoulder", brachioradialis: "flexes the elbow",
  "triceps lateral": "extends the elbow", biceps: "flexes both joints", "triceps long": "extends both joints",
};
const MOMENTS = {
  NF1: ["the end of the baseline", "the first reaches in the field, as FF1 begins"],
  FF1: ["the field is suddenly gone, as NF2 begins", "the end of FF1"],
  NF2: ["the end of the washout", "the field comes back, as FF2 begins"],
  FF2: ["the field is taken away once more", "the end of FF2"],
}; // with the field off and on
const FORCE_SCALE = 12; // mm of arrow per N
const SVG = "http://www.w3.org/2000/svg";

/** The elements of base64 as a typed array. */
function unpack(text, Type) {
  return new Type(Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0)).buffer);
}

class Player {
  constructor(root, reaches, index, standard) {
    Object.assign(this, { root, r: reaches, index, standard });
    this.hand = unpack(reaches.hand, Int16Array);
    this.excitation = unpack(reaches.excitation, Int8Array);
    this.hidden = unpack(reaches.hidden, Int8Array);
    this.unitCount = reaches.units[0].length;
    this.unitTimes = this.hidden.length / (reaches.networks.length * 4 * 2 * 8 * this.unitCount);
    this.time = 0;
    this.playing = false;
    this.find = (query) => root.querySelector(query);
    this.slider = this.find(".time");
    this.slider.max = reaches.times - 1;
    this.buildArm();
    this.listen();
    this.drawSeries = responsive(this.find(".series"), (width) => this.series(width));
    this.select();
  }

  chosen(name) {
    const field = this.root.querySelector(`[name="${name}-${this.index}"]:checked, select[name="${name}-${this.index}"]`);
    return field.value;
  }

  /** Index of a reach (network, phase, field, target) in the packed arrays. */
  reach(target = this.target, phase = this.phase) {
    return ((this.network * 4 + phase) * 2 + this.field) * 8 + target;
  }

  /** Hand position [mm] at a time step. */
  position(i, target = this.target, phase = this.phase) {
    const at = (this.reach(target, phase) * this.r.times + i) * 2;
    return [this.hand[at] * this.r.handUnit, this.hand[at + 1] * this.r.handUnit];
  }

  /** Hand velocity [m/s] at a time step, from its neighbours. */
  velocity(i) {
    const [a, b] = [Math.max(0, i - 1), Math.min(this.r.times - 1, i + 1)];
    const [p, q] = [this.position(a), this.position(b)];
    return [0, 1].map((axis) => (q[axis] - p[axis]) / 1000 / ((b - a) * this.r.step));
  }

  /** Elbow position [mm] of the arm whose hand is at a place; the elbow is flexed. */
  elbow([x, y]) {
    const [upper, lower] = this.r.links;
    const reach = Math.min(Math.hypot(x, y), upper + lower);
    const inner = Math.acos(Math.max(-1, Math.min(1, (upper ** 2 + reach ** 2 - lower ** 2) / (2 * upper * reach))));
    const angle = Math.atan2(y, x) - inner;
    return [upper * Math.cos(angle), upper * Math.sin(angle)];
  }

  buildArm() {
    const add = (name, attributes, parent) => {
      const element = document.createElementNS(SVG, name);
      for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
      return (parent ?? this.world).appendChild(element);
    };
    this.svg = add("svg", { role: "img", "aria-label": "Arm from above" }, this.find(".arm"));
    this.world = add("g", { transform: "scale(1 -1)" }, this.svg); // y points up
    this.targets = this.r.targets.map(([cx, cy]) => add("circle", { cx, cy, r: 8, fill: "none", stroke: "var(--muted)", "stroke-width": 1.5, "vector-effect": "non-scaling-stroke" }));
    const path = (width, opacity) => add("path", { fill: "none", stroke: "var(--phase)", "stroke-width": width, "stroke-opacity": opacity, "stroke-linejoin": "round", "stroke-linecap": "round", "vector-effect": "non-scaling-stroke" });
    this.paths = this.r.targets.map(() => path(1, 0.45));
    this.whole = path(1.5, 0.6);
    this.before = path(1.8, 1);
    this.before.setAttribute("stroke", "var(--NF1)");
    this.before.setAttribute("stroke-dasharray", "4 4");
    this.trail = path(3.5, 1);
    const bone = (width) => add("line", { stroke: "var(--bone)", "stroke-width": width, "stroke-linecap": "round", "stroke-opacity": 0.75 });
    [this.upper, this.lower] = [bone(26), bone(20)];
    const joint = (r) => add("circle", { r, fill: "var(--page)", stroke: "var(--muted)", "stroke-width": 1.5, "vector-effect": "non-scaling-stroke" });
    [this.shoulder, this.elbowJoint] = [joint(9), joint(8)];
    this.arrow = add("path", { fill: "none", stroke: "var(--ink)", "stroke-width": 2, "vector-effect": "non-scaling-stroke", "stroke-linecap": "round" });
    this.marker = add("circle", { class: "hand", r: 6, fill: "var(--phase)", stroke: "var(--page)", "stroke-width": 1.5, "vector-effect": "non-scaling-stroke" });
    const label = (text, x, y, anchor = "start") => {
      const element = add("text", { x, y: -y, "font-size": 15, fill: "var(--muted)", "text-anchor": anchor, class: "name" }, this.svg);
      element.textContent = text;
      return element;
    };
    this.names = [label("shoulder", 16, -6), label("elbow", 0, 0)];
    this.bar = add("path", { fill: "none", stroke: "var(--muted)", "stroke-width": 2, "vector-effect": "non-scaling-stroke" }, this.svg);
    this.barText = label("5 cm", 0, 0, "middle");
    this.shoulder.setAttribute("cx", 0);
    this.shoulder.setAttribute("cy", 0);
  }

  listen() {
    for (const name of ["phase", "field", "target", "network", "zoom"]) {
      for (const field of this.root.querySelectorAll(`[name="${name}-${this.index}"]`)) field.addEventListener("change", () => this.select());
    }
    this.find(".play").addEventListener("click", () => (this.playing ? this.pause() : this.play()));
    this.slider.addEventListener("input", () => {
      this.pause();
      this.show(Number(this.slider.value));
    });
    const series = this.find(".series");
    const seek = (event) => {
      const { left } = series.getBoundingClientRect();
      const share = (event.clientX - left - this.left) / this.inner;
      this.pause();
      this.show(Math.round(Math.max(0, Math.min(1, share)) * (this.r.times - 1)));
    };
    series.addEventListener("pointerdown", seek);
    series.addEventListener("pointermove", (event) => event.buttons && seek(event));
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.drawUnits());
    matchMedia("print").addEventListener("change", () => this.drawUnits());
  }

  /** Take over what is chosen, and draw all of it. */
  select() {
    [this.phase, this.field] = [this.r.phases.indexOf(this.chosen("phase")), Number(this.chosen("field"))];
    [this.target, this.network] = [Number(this.chosen("target")), Number(this.chosen("network"))];
    const name = this.r.phases[this.phase];
    this.root.style.setProperty("--phase", colour(name));
    this.find(".arm").classList.toggle("on", this.field === 1);
    const state = `The network after ${name}, field ${this.field ? "on" : "off"}`;
    const words = this.standard ? `<b>${state}</b>: ${MOMENTS[name][this.field]}.` : `<b>${state}</b>.`;
    this.find(".moment").innerHTML = words + (this.phase ? " Dashed: the same reach of the network after NF1." : "");
    const steps = d3.range(this.r.times);
    const line = (target, phase) => `M${steps.map((i) => this.position(i, target, phase).map((v) => v.toFixed(2)).join(" ")).join("L")}`;
    this.paths.forEach((path, k) => path.setAttribute("d", line(k)));
    this.whole.setAttribute("d", line(this.target));
    this.before.setAttribute("d", this.phase ? line(this.target, 0) : "");
    this.targets.forEach((circle, k) => {
      circle.setAttribute("fill", k === this.target ? "var(--phase)" : "none");
      circle.setAttribute("fill-opacity", 0.3);
    });
    this.zoom(this.chosen("zoom"));
    this.drawSeries();
    this.show(this.time);
  }

  zoom(view) {
    const [cx, cy] = this.r.start;
    const box = view === "arm" ? [-290, -cy - 150, 620, cy + 200] : [cx - 150, -cy - 150, 300, 300];
    this.svg.setAttribute("viewBox", box.join(" "));
    const scale = box[2] / 620;
    for (const text of [...this.names, this.barText]) text.setAttribute("font-size", 17 * scale);
    const [x, y] = [box[0] + 20 * scale, box[1] + box[3] - 20 * scale];
    this.bar.setAttribute("d", `M${x} ${y}h50`);
    this.barText.setAttribute("x", x + 25);
    this.barText.setAttribute("y", y - 8 * scale);
    this.marker.setAttribute("r", 9 * Math.sqrt(scale));
  }

  play() {
    if (this.time >= this.r.times - 1) this.show(0);
    this.playing = true;
    this.button("❚❚ Pause", "Pause");
    let [last, exact] = [null, this.time];
    const frame = (now) => {
      if (!this.playing) return;
      last ??= now; // a frame's time may lie before the click
      exact += ((now - last) / 1000) * Number(this.find(".speed").value) / this.r.step;
      last = now;
      this.show(Math.min(this.r.times - 1, Math.floor(exact)));
      if (this.time >= this.r.times - 1) this.pause();
      else requestAnimationFrame(frame);
    };
    requestAnimationFrame(frame);
  }

  pause() {
    this.playing = false;
    this.button("▶ Play", "Play");
  }

  button(text, label) {
    const button = this.find(".play");
    button.textContent = text;
    button.setAttribute("aria-label", label);
  }

  /** Show a time step: arm, trail, arrow, cursor and numbers. */
  show(i) {
    this.time = i;
    const place = this.position(i);
    const elbow = this.elbow(place);
    const ends = (line, [x1, y1], [x2, y2]) => Object.entries({ x1, y1, x2, y2 }).forEach(([key, value]) => line.setAttribute(key, value));
    ends(this.upper, [0, 0], elbow);
    ends(this.lower, elbow, place);
    for (const [circle, [x, y]] of [[this.elbowJoint, elbow], [this.marker, place]]) {
      circle.setAttribute("cx", x.toFixed(2));
      circle.setAttribute("cy", y.toFixed(2));
    }
    this.names[1].setAttribute("x", elbow[0] + 16);
    this.names[1].setAttribute("y", -elbow[1] + 22);
    this.trail.setAttribute("d", `M${d3.range(i + 1).map((j) => this.position(j).map((v) => v.toFixed(2)).join(" ")).join("L")}`);
    this.slider.value = i;
    this.moveCursor();
    this.tell(i, place);
  }

  /** Numbers of a time step; the slider speaks the time. */
  tell(i, place) {
    const time = i * this.r.step;
    const velocity = this.velocity(i);
    const acts = this.field === 1 && time >= this.r.onset - 1e-9;
    const force = acts ? this.r.field.map((row) => row[0] * velocity[0] + row[1] * velocity[1]) : [0, 0];
    const size = Math.hypot(...force);
    const [x, y] = place;
    if (size > 0.1) {
      const [tx, ty] = [x + FORCE_SCALE * force[0], y + FORCE_SCALE * force[1]];
      const angle = Math.atan2(force[1], force[0]);
      const barb = (turn) => `M${tx} ${ty}L${tx - 9 * Math.cos(angle + turn)} ${ty - 9 * Math.sin(angle + turn)}`;
      this.arrow.setAttribute("d", `M${x} ${y}L${tx} ${ty}${barb(0.5)}${barb(-0.5)}`);
    } else this.arrow.setAttribute("d", "");
    const [gx, gy] = this.r.targets[this.target];
    const state = time < this.r.go ? "waiting" : time < this.r.seen ? "go, not seen yet" : "go seen";
    const field = this.field ? `, field pushes with <b>${number(size, 1)} N</b>` : "";
    this.find(".now").innerHTML = `<b>${time.toFixed(2)} s</b> ${state}: <b>${number(Math.hypot(gx - x, gy - y), 0)} mm</b> to the target, <b>${number(Math.hypot(...velocity), 2)} m/s</b>${field}`;
    this.slider.setAttribute("aria-valuetext", `${time.toFixed(2)} s, ${state}`);
  }

  /** Muscles and units of the chosen reach. */
  series(width) {
    [this.left, this.right] = [width > 420 ? 136 : 116, 10];
    this.inner = width - this.left - this.right;
    this.find(".series").style.setProperty("--drawn", `${width}px`); // paper keeps the width of the screen
    const { muscles, step, go, seen, times } = this.r;
    const count = this.excitation.length / (this.r.networks.length * 64 * muscles.length);
    const size = this.excitation.length / this.r.networks.length;
    const own = this.excitation.subarray(this.network * size, (this.network + 1) * size);
    const most = d3.quantileSorted(Float32Array.from(own, Math.abs).sort(), 0.9995) / this.r.levels;
    const rows = muscles.flatMap((muscle, m) => d3.range(count).map((i) => ({
      muscle, time: i * step, value: this.excitation[(this.reach() * count + i) * muscles.length + m] / this.r.levels,
    })));
    const plot = Plot.plot({
      width, height: 46 * muscles.length + 18, marginLeft: this.left, marginRight: this.right, marginTop: 18, marginBottom: 0, style,
      x: { domain: [0, (times - 1) * step], axis: null },
      y: { domain: [this.r.signed ? -most : 0, most], axis: null, clamp: true },
      fy: { domain: muscles, label: null, axis: null, padding: 0.1 },
      marks: [
        Plot.ruleX([go, seen], { stroke: "var(--muted)", strokeWidth: 0.8, strokeDasharray: "2 2" }),
        Plot.ruleY([0], { stroke: "var(--line)" }),
        Plot.ruleY([most], { stroke: "var(--line)", strokeDasharray: "1 3" }),
        Plot.text([muscles[0]], { fy: (d) => d, x: (times - 1) * step, y: most, text: () => number(most, 2), textAnchor: "end", dy: -7, fill: "var(--muted)", fontSize: 11 }),
        Plot.areaY(rows, { x: "time", y: "value", fy: "muscle", fill: "var(--phase)", fillOpacity: 0.2 }),
        Plot.lineY(rows, { x: "time", y: "value", fy: "muscle", stroke: "var(--phase)", strokeWidth: 1.5 }),
        Plot.text(muscles, { fy: (d) => d, text: (d) => `${d}\n${MUSCLES[d] ?? ""}`, frameAnchor: "left", textAnchor: "start", dx: -this.left, lineHeight: 1.25, fontSize: width > 420 ? 11.5 : 11, fill: "var(--ink)" }),
        Plot.text([muscles[0]], { fy: (d) => d, x: go, frameAnchor: "top", dy: -14, text: () => "go", textAnchor: "end", dx: -3, fill: "var(--muted)" }),
        Plot.text([muscles[0]], { fy: (d) => d, x: seen, frameAnchor: "top", dy: -14, text: () => "seen", textAnchor: "start", dx: 3, fill: "var(--muted)" }),
      ],
    });
    this.find(".muscles").replaceChildren(plot);
    plot.setAttribute("role", "img");
    plot.setAttribute("aria-label", "Excitation of the muscles over time");
    this.drawUnits();
    this.moveCursor();
  }

  /** Units over time as a picture: a row per unit, in the order of their peaks in NF1. */
  drawUnits() {
    if (!this.inner) return;
    const place = this.find(".units");
    const canvas = place.querySelector("canvas") ?? place.appendChild(document.createElement("canvas"));
    const [units, times] = [this.unitCount, this.unitTimes];
    [canvas.width, canvas.height] = [times, units];
    const [shownTo, axis] = [times * this.r.unitStep, this.r.times - 1];
    canvas.style.cssText = `width:${(this.inner * shownTo) / axis}px;height:${units * Math.max(1, Math.round(240 / units))}px;margin-left:${this.left}px;image-rendering:pixelated`;
    canvas.setAttribute("role", "img");
    canvas.setAttribute("aria-label", "Activity of the units over time");
    const css = getComputedStyle(document.documentElement);
    const [low, middle, high] = ["--low", "--middle", "--high"].map((name) => css.getPropertyValue(name).trim());
    const scale = d3.scaleLinear([-1, 0, 1], [low, middle, high]).interpolate(d3.interpolateLab).clamp(true);
    const colours = d3.range(-127, 128).map((level) => d3.rgb(scale(level / this.r.levels)));
    const context = canvas.getContext("2d");
    const image = context.createImageData(times, units);
    const from = this.reach() * times * units;
    for (let t = 0; t < times; t++) {
      for (let u = 0; u < units; u++) {
        const { r, g, b } = colours[Math.max(-127, this.hidden[from + t * units + u]) + 127];
        image.data.set([r, g, b, 255], 4 * (u * times + t));
      }
    }
    context.putImageData(image, 0, 0);
    const all = this.r.allUnits > units ? `${units} of ${this.r.allUnits}` : `${units}`;
    this.find(".about-units").textContent = `${all} units, by the time of their peak in NF1`;
  }

  moveCursor() {
    if (!this.inner) return;
    const left = `${this.left + (this.inner * this.time) / (this.r.times - 1)}px`;
    this.root.querySelectorAll(".cursor").forEach((cursor) => (cursor.style.left = left));
  }
}
