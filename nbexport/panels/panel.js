// The panel in the browser: draws planes, shows the state, sends what the user does.
// Everything that comes from the user or the file is set as text; nothing is parsed as HTML but
// the kernel's own report, which is escaped there.

// ---------------------------------------------------------------- small helpers

const SVG = "http://www.w3.org/2000/svg";
const ICONS = {
  play: "M5 3.5v9l8-4.5z",
  pause: "M4.5 3.5h2.5v9H4.5zM9 3.5h2.5v9H9z",
  fit: "M2.5 6V2.5H6M10 2.5h3.5V6M13.5 10v3.5H10M6 13.5H2.5V10",
  plus: "M8 3.5v9M3.5 8h9",
  minus: "M3.5 8h9",
  crop: "M4.5 1.5v10h10M1.5 4.5h10v10",
  eye: "M1.5 8S4 3.8 8 3.8 14.5 8 14.5 8 12 12.2 8 12.2 1.5 8 1.5 8zM8 10a2 2 0 1 0 0-4 2 2 0 0 0 0 4z",
  copy: "M5.5 5.5v-3h8v8h-3M2.5 5.5h8v8h-8z",
  check: "M3 8.5l3.2 3.2L13 4.8",
  undo: "M3 7h6.5a3.5 3.5 0 0 1 0 7H6M5.8 4L3 7l2.8 3",
};

function h(tag, props = {}, ...children) {
  const el = document.createElement(tag);
  for (const [key, value] of Object.entries(props)) {
    if (value === null || value === undefined || value === false) continue;
    if (key === "class") el.className = value;
    else if (key.startsWith("on")) el.addEventListener(key.slice(2), value);
    else if (key in el && !key.startsWith("aria") && key !== "list") el[key] = value;
    else el.setAttribute(key, value);
  }
  el.append(...children.filter((child) => child !== null && child !== undefined));
  return el;
}

function icon(name, filled = false) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", "0 0 16 16");
  svg.setAttribute("aria-hidden", "true");
  svg.setAttribute("class", filled ? "nbx-icon nbx-filled" : "nbx-icon");
  const path = document.createElementNS(SVG, "path");
  path.setAttribute("d", ICONS[name]);
  svg.append(path);
  return svg;
}

function iconButton(name, label, onclick, extra = {}) {
  return h("button", { type: "button", class: "nbx-tool", title: label, "aria-label": label, onclick, ...extra },
    icon(name, name === "play" || name === "pause"));
}

let ids = 0;
const newId = () => `nbx-${++ids}-${Math.random().toString(36).slice(2, 8)}`;

function number(value, digits = 4) {
  if (!Number.isFinite(value)) return "–";
  if (Number.isInteger(value) && Math.abs(value) < 1e7) return String(value);
  return String(Number(value.toPrecision(digits)));
}

function bytes(n) {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let i = 0;
  while (n >= 1024 && i < units.length - 1) { n /= 1024; i++; }
  return `${i ? n.toFixed(1) : n.toFixed(0)} ${units[i]}`;
}

function duration(s) {
  if (s < 1) return "under 1 s";
  if (s < 90) return `about ${Math.round(s)} s`;
  if (s < 5400) return `about ${Math.round(s / 60)} min`;
  return `about ${(s / 3600).toFixed(1)} h`;
}

// A field that is being typed into is left alone when the kernel answers.
function put(input, value) {
  const text = value === null || value === undefined ? "" : String(value);
  if (input.dataset.typing) return;
  if (input.value !== text) input.value = text;
}

function typed(input, commit) {
  input.addEventListener("input", () => { input.dataset.typing = "1"; });
  input.addEventListener("change", () => { delete input.dataset.typing; commit(input.value); });
  input.addEventListener("blur", () => { delete input.dataset.typing; });
  input.addEventListener("keydown", (event) => {
    event.stopPropagation(); // Lab's own shortcuts
    if (event.key === "Enter") input.blur();
  });
  return input;
}

// ---------------------------------------------------------------- colours

const rgbOf = (hex) => [0, 2, 4].map((i) => parseInt(hex.slice(i, i + 2), 16));

// Three sums of 10 bits in one number: up to four channels add without carrying over.
function tableOf(plane, channel, gamma) {
  const n = 2 ** plane.bits;
  const table = new Uint32Array(n);
  const [r, g, b] = rgbOf(channel.color);
  const [start, end] = channel.window;
  const span = end - start;
  const full = r | (g << 10) | (b << 20);
  for (let raw = 0; raw < n; raw++) {
    const v = plane.low + plane.step * raw;
    let x = (v - start) / span;
    if (x <= 0) continue;
    if (gamma !== 1 && x < 1) x **= gamma;
    table[raw] = x >= 1 ? full
      : Math.floor(r * x + 0.5) | (Math.floor(g * x + 0.5) << 10) | (Math.floor(b * x + 0.5) << 20);
  }
  return table;
}

// As nbexport.pixels colours labels, in whole numbers.
function labelTable(bits) {
  const n = 2 ** bits;
  const table = new Uint32Array(n);
  for (let k = 1; k < n; k++) {
    const hue = (Math.imul(k, 2654435761) >>> 16) * 6;
    const saturation = k & 2 ? 153 : 255, value = k & 4 ? 204 : 255;
    const sector = hue >> 16, rest = (hue & 65535) >> 8;
    const low = Math.floor(value * (255 - saturation) / 255);
    const falling = Math.floor(value * (65025 - saturation * rest) / 65025);
    const rising = Math.floor(value * (65025 - saturation * (255 - rest)) / 65025);
    const circle = [value, falling, low, low, rising, value];
    table[k] = circle[sector] | (circle[(sector + 4) % 6] << 10) | (circle[(sector + 2) % 6] << 20);
  }
  return table;
}

function addPlanes(out, planes, tables) {
  const n = out.length;
  for (let first = 0; first < planes.length; first += 3) {
    const [p0, p1, p2] = [planes[first], planes[first + 1], planes[first + 2]];
    const [t0, t1, t2] = [tables[first], tables[first + 1], tables[first + 2]];
    for (let i = 0; i < n; i++) {
      let s = t0[p0[i]];
      if (p1) s += t1[p1[i]];
      if (p2) s += t2[p2[i]];
      let r = s & 1023, g = (s >>> 10) & 1023, b = (s >>> 20) & 1023;
      if (first) { const o = out[i]; r += o & 255; g += (o >>> 8) & 255; b += (o >>> 16) & 255; }
      out[i] = 0xff000000 | ((b > 255 ? 255 : b) << 16) | ((g > 255 ? 255 : g) << 8) | (r > 255 ? 255 : r);
    }
  }
  if (!planes.length) out.fill(0xff000000);
}

// ---------------------------------------------------------------- one panel

class View {
  constructor(model, el) {
    this.model = model;
    this.id = newId();
    this.number = 0; // of what was sent
    this.asked = 0; // of planes
    this.queue = new Map();
    this.layers = { base: null, detail: null };
    this.tables = new Map();
    this.first = new Map(); // windows where nobody gave one
    this.stats = new Map(); // range and histogram by channel
    this.local = null; // what the user sees before the kernel has answered
    this.frame = null; // scale and origin of the picture
    this.cropping = false;
    this.tab = "channels";
    this.cleanups = [];
    this.setup = model.get("setup");
    const parts = this.setup.parts || [];
    this.parts = parts.length ? parts : ["picture", "channels", "levels", "output", "metadata", "export"];
    this.build(el);
    this.on("change:snapshot", () => this.receive());
    this.on("change:job", () => this.showJob());
    this.on("msg:custom", (message, buffers) => this.message(message, buffers));
    this.watchKernel();
    this.receive(true);
    this.showJob();
  }

  on(event, handler) {
    this.model.on(event, handler);
    this.cleanups.push(() => this.model.off(event, handler));
  }

  remove() {
    this.rest();
    this.observer?.disconnect();
    for (const cleanup of this.cleanups.splice(0)) cleanup();
  }

  rest() { // nothing is to happen by itself any more
    this.removed = true;
    for (const timer of [this.timer, this.refiner, this.hinter, this.copied]) clearTimeout(timer);
    clearInterval(this.player);
    if (this.pending) cancelAnimationFrame(this.pending);
    this.playing = null;
  }

  // A restarted kernel knows neither this panel nor its array.
  watchKernel() {
    // Set by the widgets' manager, which says that something changed but not what.
    this.on("comm_live_update", () => setTimeout(() => {
      if (this.root.closest(".jupyter-widgets-disconnected")) this.left();
    }));
    const kernel = this.model.widget_manager?.kernel; // of JupyterLab: also tells of a crash
    if (!kernel?.statusChanged?.connect) return;
    const changed = (_, status) => {
      if (["restarting", "autorestarting", "terminating", "dead"].includes(status)) this.left();
    };
    const left = () => this.left();
    kernel.statusChanged.connect(changed);
    kernel.disposed?.connect(left);
    this.cleanups.push(() => {
      kernel.statusChanged.disconnect(changed);
      kernel.disposed?.disconnect(left);
    });
  }

  left() {
    if (this.gone || this.removed) return;
    this.rest();
    this.gone = true;
    this.wanted = null;
    this.queue.clear();
    this.stage.classList.remove("nbx-busy");
    this.say("The kernel has gone, and the array with it. Run the notebook again to go on.", true);
    if (this.state?.image) this.showAxes();
    this.showJob();
  }

  send(message) {
    if (!this.gone && !this.removed) this.model.send(message);
  }

  get whole() { return /int/.test(this.state.image.dtype); } // whole numbers

  has(part) { return this.parts.includes(part); }

  // -------------------------------------------------------------- to the kernel

  // Of several changes of one thing only the last is sent.
  act(key, action, wait = 0) {
    if (this.gone) return;
    this.queue.set(key, action);
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.flush(), wait);
  }

  flush() {
    clearTimeout(this.timer);
    if (!this.queue.size) return;
    const actions = [...this.queue.values()];
    this.queue.clear();
    this.send({ type: "act", view: this.id, number: ++this.number, actions });
  }

  ask(region, whole) {
    if (!this.state?.image || this.gone) return;
    const image = this.state.image;
    const channels = image.kind === "intensity"
      ? image.channels.map((c, i) => (c.active ? i : -1)).filter((i) => i >= 0)
      : [0];
    this.wanted = { number: ++this.asked, whole, at: performance.now() };
    this.send({
      type: "view", view: this.id, number: this.asked, region, channels,
      index: image.index, level: this.state.level,
      max_pixels: this.mostPixels(),
    });
    this.stage.classList.add("nbx-busy");
  }

  mostPixels() { // that a channel needs
    const pixels = this.canvas.width * this.canvas.height;
    return Math.max(65536, Math.min(this.setup.budget.pixels, Math.round(pixels * 1.3)));
  }

  mayBeFiner(layer, [y0, y1, x0, x1]) { // within the budget of all channels, as the kernel shares it
    const image = this.state.image;
    const n = image.kind === "rgb" ? image.sizes.s
      : image.kind === "labels" ? 1 : image.channels.filter((c) => c.active).length || 1;
    const size = ["uint8", "bool"].includes(image.dtype) ? 1 : 2;
    const most = Math.min(this.mostPixels(), this.setup.budget.nbytes / (n * size));
    const fy = Math.max(layer.fy / 2, 1), fx = Math.max(layer.fx / 2, 1);
    return (y1 - y0) / fy * (x1 - x0) / fx <= most;
  }

  // -------------------------------------------------------------- from the kernel

  receive(force = false) {
    const snapshot = this.model.get("snapshot");
    if (!snapshot || !("format" in snapshot)) return;
    const behind = (snapshot.ack?.[this.id] ?? 0) < this.number || this.queue.size;
    if ((behind && !force) || this.gone) return; // the answer to what was sent last is on its way
    const before = this.state;
    this.state = JSON.parse(JSON.stringify(snapshot));
    this.show(before);
  }

  message(message, buffers) {
    if (this.gone) return;
    if (message.type === "trouble") {
      if (message.view !== this.id || message.number !== this.asked) return;
      this.wanted = null; // else nothing would ever be asked for again
      this.say(message.text, true);
      this.stage.classList.remove("nbx-busy");
      return;
    }
    if (message.type === "report" && message.view === this.id) {
      this.report.innerHTML = message.html; // escaped by the kernel, see nbexport._markup
      this.report.hidden = !message.html;
      return;
    }
    if (message.type !== "planes" || message.view !== this.id) return;
    if (message.number !== this.asked) return; // a newer picture is on its way
    if (!this.wanted?.whole && message.fraction < 1) return; // the coarse picture is better than holes
    const [y0, y1, x0, x1] = message.box;
    const planes = new Map();
    message.channels.forEach((one, i) => {
      const data = buffers[i];
      const raw = one.bits === 8
        ? new Uint8Array(data.buffer, data.byteOffset, data.byteLength)
        : data.byteOffset % 2
          ? new Uint16Array(data.buffer.slice(data.byteOffset, data.byteOffset + data.byteLength))
          : new Uint16Array(data.buffer, data.byteOffset, data.byteLength / 2);
      planes.set(one.channel, { ...one, raw });
      if (message.fraction === 1 || !this.stats.has(one.channel)) this.stats.set(one.channel, one);
      if (message.fraction === 1 && !this.first.has(one.channel)) this.first.set(one.channel, this.whole ? one.first.map(Math.round) : one.first);
    });
    const [fy, fx] = message.factors;
    const layer = {
      planes, height: y1 - y0, width: x1 - x0, fy, fx,
      y: y0 * fy, x: x0 * fx, level: message.level, index: message.index, exact: message.exact,
    };
    const off = document.createElement("canvas");
    off.width = layer.width;
    off.height = layer.height;
    layer.off = off;
    layer.context = off.getContext("2d");
    layer.image = layer.context.createImageData(layer.width, layer.height);
    layer.pixels = new Uint32Array(layer.image.data.buffer);
    if (this.wanted?.whole) { this.layers.base = layer; this.layers.detail = null; }
    else this.layers.detail = layer;
    this.colour(layer);
    this.paint();
    const done = message.fraction === 1;
    this.canvas.dataset.fraction = message.fraction;
    if (done) {
      this.stage.classList.remove("nbx-busy");
      this.canvas.dataset.pictures = Number(this.canvas.dataset.pictures || 0) + 1;
      this.wanted = null;
      this.showChannels();
      this.refine();
    }
  }

  // -------------------------------------------------------------- picture

  windowOf(i) {
    const channel = this.state.image.channels[i];
    return channel?.window ?? this.first.get(i) ?? this.stats.get(i)?.auto ?? [0, 1];
  }

  colour(layer) {
    const image = this.state.image;
    const planes = [], tables = [];
    for (const [i, plane] of layer.planes) {
      let table;
      if (image.kind === "labels") {
        table = this.cached(`labels ${plane.bits}`, () => labelTable(plane.bits));
      } else {
        const own = image.kind === "rgb"
          ? { color: ["FF0000", "00FF00", "0000FF"][i], active: i < 3, window: this.samples(plane) }
          : { ...image.channels[i], window: this.windowOf(i) };
        if (!own.active) continue;
        const { gamma } = this;
        const key = `${i} ${plane.bits} ${plane.low} ${plane.step} ${own.color} ${own.window} ${gamma}`;
        table = this.cached(key, () => tableOf(plane, own, gamma), i);
      }
      planes.push(plane.raw);
      tables.push(table);
    }
    addPlanes(layer.pixels, planes, tables);
    layer.context.putImageData(layer.image, 0, 0);
  }

  get gamma() { return Number(this.state.options.gamma) || 1; } // only movies and pictures have one

  samples(plane) {
    if (this.state.image.dtype === "uint8") return [0, 255];
    if (this.state.image.dtype === "uint16") return [0, 65535];
    return plane.range[1] <= 1 && plane.range[0] >= 0 ? [0, 1] : plane.range;
  }

  cached(key, make, slot = key) {
    const found = this.tables.get(slot);
    if (found?.key === key) return found.table;
    const table = make();
    this.tables.set(slot, { key, table });
    return table;
  }

  recolour() {
    if (this.pending) return;
    this.pending = requestAnimationFrame(() => {
      this.pending = null;
      this.recolourNow();
    });
  }

  recolourNow() {
    const began = performance.now();
    for (const layer of [this.layers.base, this.layers.detail]) if (layer) this.colour(layer);
    this.paint();
    this.canvas.dataset.ms = (performance.now() - began).toFixed(2);
  }

  get aspect() {
    const { y, x } = this.state.image.axes;
    const ratio = y.calibrated && x.calibrated && y.unit === x.unit ? y.scale / x.scale : 1;
    return ratio > 0.02 && ratio < 50 ? ratio : 1;
  }

  fit() {
    const { y, x } = this.state.image.sizes;
    const scale = Math.min(this.canvas.width / x, this.canvas.height / (y * this.aspect));
    this.frame = {
      scale,
      x: x / 2 - this.canvas.width / scale / 2,
      y: y / 2 - this.canvas.height / (scale * this.aspect) / 2,
      fitted: true,
    };
  }

  zoom(factor, cx = this.canvas.width / 2, cy = this.canvas.height / 2) {
    if (!this.frame) return;
    const { scale } = this.frame;
    const { y, x } = this.state.image.sizes;
    const least = Math.min(this.canvas.width / x, this.canvas.height / (y * this.aspect)) / 2;
    const next = Math.min(Math.max(scale * factor, least), 64);
    this.frame.x += cx / scale - cx / next;
    this.frame.y += (cy / scale - cy / next) / this.aspect;
    this.frame.scale = next;
    this.frame.fitted = false;
    this.moved();
  }

  pan(dx, dy) {
    this.frame.x -= dx / this.frame.scale;
    this.frame.y -= dy / (this.frame.scale * this.aspect);
    this.frame.fitted = false;
    this.moved();
  }

  moved() {
    const { y, x } = this.state.image.sizes;
    const wide = this.canvas.width / this.frame.scale;
    const high = this.canvas.height / (this.frame.scale * this.aspect);
    // At least the middle of the picture stays on the image.
    this.frame.x = Math.min(Math.max(this.frame.x, -wide / 2), x - wide / 2);
    this.frame.y = Math.min(Math.max(this.frame.y, -high / 2), y - high / 2);
    this.paint();
    clearTimeout(this.refiner);
    this.refiner = setTimeout(() => this.refine(), 120);
  }

  visible() {
    const { y, x } = this.state.image.sizes;
    const wide = this.canvas.width / this.frame.scale;
    const high = this.canvas.height / (this.frame.scale * this.aspect);
    const clip = (v, n) => Math.min(Math.max(v, 0), n);
    return [
      clip(this.frame.y, y), clip(this.frame.y + high, y),
      clip(this.frame.x, x), clip(this.frame.x + wide, x),
    ];
  }

  current(layer) {
    return layer && layer.level === this.state.level
      && JSON.stringify(layer.index) === JSON.stringify(this.state.image.index)
      && this.state.image.channels.every((c, i) => !c.active || layer.planes.has(i));
  }

  refresh() { // the whole plane first
    const { y, x } = this.state.image.sizes;
    this.ask([0, y, 0, x], true);
  }

  refine() { // then what is looked at, where it can be finer
    const base = this.layers.base;
    if (this.wanted || !this.frame || this.gone) return;
    if (!this.current(base)) { this.refresh(); return; }
    const finest = this.state.level === null ? 1 : null;
    const coarse = finest ? base.fx > 1 || base.fy > 1 : !base.exact;
    const screen = Math.max(base.fx * this.frame.scale, base.fy * this.frame.scale * this.aspect);
    if (!coarse || screen <= 1.05) return;
    const [y0, y1, x0, x1] = this.visible();
    if (!(y1 > y0 && x1 > x0) || !this.mayBeFiner(base, [y0, y1, x0, x1])) return;
    const detail = this.layers.detail;
    if (this.current(detail)) {
      const holds = detail.y <= y0 && detail.x <= x0
        && detail.y + detail.height * detail.fy >= Math.floor(y1) - detail.fy
        && detail.x + detail.width * detail.fx >= Math.floor(x1) - detail.fx;
      const fine = detail.fx * this.frame.scale <= 1.05 || (finest ? detail.fx === 1 : detail.exact);
      if (holds && fine) return;
      if (holds && this.refined === `${[y0, y1, x0, x1]}`) return;
    }
    this.refined = `${[y0, y1, x0, x1]}`;
    this.ask([y0, y1, x0, x1], false);
  }

  paint() {
    const canvas = this.canvas, context = canvas.getContext("2d");
    context.fillStyle = "#0b0d10";
    context.fillRect(0, 0, canvas.width, canvas.height);
    if (!this.frame || !this.state?.image) return;
    const { scale } = this.frame, high = scale * this.aspect;
    const px = (x) => (x - this.frame.x) * scale;
    const py = (y) => (y - this.frame.y) * high;
    for (const layer of [this.layers.base, this.current(this.layers.detail) ? this.layers.detail : null]) {
      if (!layer) continue;
      context.imageSmoothingEnabled = layer.fx * scale < 1;
      context.imageSmoothingQuality = "high";
      context.drawImage(layer.off, px(layer.x), py(layer.y),
        layer.width * layer.fx * scale, layer.height * layer.fy * high);
    }
    this.paintCrop(context, px, py);
    this.paintBar();
    canvas.dataset.view = JSON.stringify({ scale, high, x: this.frame.x, y: this.frame.y });
    canvas.dataset.painted = Number(canvas.dataset.painted || 0) + 1;
    this.zoomText.textContent = `${number(scale / (window.devicePixelRatio || 1) * 100, 3)} %`;
  }

  paintCrop(context, px, py) {
    const rectangle = this.drawn ?? this.cropOf(this.state.image);
    if (!rectangle || !this.has("output")) return;
    const [y0, y1, x0, x1] = rectangle;
    const [left, right, top, bottom] = [px(x0), px(x1), py(y0), py(y1)];
    const { width, height } = this.canvas;
    context.fillStyle = "rgba(0,0,0,.55)";
    context.fillRect(0, 0, width, top);
    context.fillRect(0, bottom, width, height - bottom);
    context.fillRect(0, top, left, bottom - top);
    context.fillRect(right, top, width - right, bottom - top);
    context.strokeStyle = "#ffd54a";
    context.lineWidth = Math.max(1, window.devicePixelRatio || 1) * 1.5;
    context.setLineDash([6, 4]);
    context.strokeRect(left, top, right - left, bottom - top);
    context.setLineDash([]);
  }

  cropOf(image) {
    if (!image.cropped.includes("y") && !image.cropped.includes("x")) return null;
    const y = image.crop.y ?? [0, image.sizes.y], x = image.crop.x ?? [0, image.sizes.x];
    return [y[0], y[1], x[0], x[1]];
  }

  paintBar() {
    const axis = this.state.image.axes.x;
    this.bar.hidden = !axis.calibrated;
    if (!axis.calibrated) return;
    const per = axis.scale / this.frame.scale * (window.devicePixelRatio || 1); // unit a CSS pixel
    const most = per * Math.min(140, this.stage.clientWidth / 4);
    const power = 10 ** Math.floor(Math.log10(most));
    const length = [5, 2, 1].map((n) => n * power).find((n) => n <= most) ?? power;
    this.bar.style.width = `${length / per}px`;
    this.barText.textContent = `${number(length)} ${axis.unit}`;
  }

  place(event) { // in pixels of level 0
    const box = this.canvas.getBoundingClientRect();
    const cx = (event.clientX - box.left) / box.width * this.canvas.width;
    const cy = (event.clientY - box.top) / box.height * this.canvas.height;
    return {
      cx, cy,
      x: this.frame.x + cx / this.frame.scale,
      y: this.frame.y + cy / (this.frame.scale * this.aspect),
    };
  }

  readOut(event) {
    const image = this.state?.image;
    if (!image || !this.frame) return;
    const { x, y } = this.place(event);
    const inside = x >= 0 && y >= 0 && x < image.sizes.x && y < image.sizes.y;
    if (!inside) { this.readout.textContent = ""; return; }
    const at = (name, i) => {
      const axis = image.axes[name];
      const where = axis.positions ? axis.positions[Math.floor(i)] : axis.start + Math.floor(i) * axis.scale;
      return axis.calibrated ? `${number(where, 5)} ${axis.unit}` : `${Math.floor(i)}`;
    };
    const layer = [this.layers.detail, this.layers.base].find((one) => this.current(one)
      && x >= one.x && y >= one.y
      && x < one.x + one.width * one.fx && y < one.y + one.height * one.fy);
    const values = [];
    if (layer) {
      const i = Math.floor((y - layer.y) / layer.fy) * layer.width + Math.floor((x - layer.x) / layer.fx);
      for (const [c, plane] of layer.planes) {
        const value = plane.low + plane.step * plane.raw[i];
        const label = image.kind === "intensity" ? image.channels[c]?.label ?? c : image.kind === "rgb" ? "RGBA"[c] : "label";
        if (image.kind !== "intensity" || image.channels[c]?.active) values.push(`${label} ${number(value, 5)}`);
      }
    }
    this.readout.textContent = `x ${at("x", x)} · y ${at("y", y)}${values.length ? " · " : ""}${values.join(" · ")}`;
  }

  // -------------------------------------------------------------- building

  build(el) {
    this.root = h("div", { class: `nbx-panel nbx-${this.parts.length > 2 ? "whole" : "piece"}`, role: "group" });
    this.title = h("div", { class: "nbx-title" });
    this.subtitle = h("div", { class: "nbx-subtitle" });
    this.root.append(h("div", { class: "nbx-head" }, this.title, this.subtitle));
    const body = h("div", { class: "nbx-body" }, this.buildViewer());
    const tabs = [["channels", "Channels"], ["levels", "Levels"], ["output", "Output"], ["metadata", "Metadata"]]
      .filter(([name]) => this.has(name));
    this.pages = {};
    if (tabs.length) {
      this.tab = tabs[0][0];
      this.tabs = h("div", { class: "nbx-tabs", role: "tablist", "aria-label": "Settings" });
      const side = h("div", { class: "nbx-side" }, tabs.length > 1 ? this.tabs : null);
      for (const [name, label] of tabs) {
        const id = newId();
        const page = h("div", { class: `nbx-page nbx-${name}`, role: "tabpanel", id, tabIndex: -1, "aria-labelledby": `${id}-tab` });
        const tab = h("button", {
          type: "button", class: `nbx-tab nbx-tab-${name}`, role: "tab", id: `${id}-tab`, "aria-controls": id,
          onclick: () => this.choose(name),
        }, label, h("span", { class: "nbx-dot", hidden: true }));
        tab.addEventListener("keydown", (event) => {
          const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
          if (!step) return;
          event.preventDefault();
          event.stopPropagation();
          const names = Object.keys(this.pages);
          let at = names.indexOf(this.tab);
          do at = (at + step + names.length) % names.length; while (this.pages[names[at]].tab.hidden);
          const next = names[at];
          this.choose(next);
          this.pages[next].tab.focus();
        });
        this.pages[name] = { page, tab };
        this.tabs.append(tab);
        side.append(page);
      }
      body.append(side);
      this.choose(this.tab);
    }
    this.root.append(body);
    this.said = h("div", { class: "nbx-said", role: "alert", hidden: true });
    this.root.append(this.said);
    if (this.has("export")) this.root.append(this.buildExport());
    this.buildLevels();
    this.buildOutput();
    this.buildMetadata();
    el.append(this.root);
    this.observer = new ResizeObserver(() => this.resize());
    this.observer.observe(this.stage);
  }

  choose(name) {
    this.tab = name;
    for (const [key, { page, tab }] of Object.entries(this.pages)) {
      page.hidden = key !== name;
      tab.setAttribute("aria-selected", String(key === name));
      tab.tabIndex = key === name ? 0 : -1;
    }
    if (name === "channels") requestAnimationFrame(() => this.showChannels());
  }

  buildViewer() {
    this.canvas = h("canvas", { class: "nbx-canvas", tabIndex: 0, role: "img" });
    this.canvas.setAttribute("aria-keyshortcuts", "ArrowLeft ArrowRight ArrowUp ArrowDown + - 0 PageUp PageDown");
    this.zoomText = h("span", { class: "nbx-zoom" });
    this.bar = h("div", { class: "nbx-bar", hidden: true }, this.barText = h("span"));
    this.readout = h("div", { class: "nbx-readout" });
    this.hint = h("div", { class: "nbx-hint", hidden: true }, "Click the picture first, then the wheel zooms");
    this.cropButton = iconButton("crop", "Draw the rectangle that is written", () => this.setCropping(!this.cropping), { "aria-pressed": "false" });
    this.cropButton.classList.add("nbx-draw");
    const tools = h("div", { class: "nbx-tools", role: "toolbar", "aria-label": "Picture" },
      this.has("output") ? this.cropButton : null,
      iconButton("minus", "Zoom out (−)", () => this.zoom(1 / 1.5)),
      this.zoomText,
      iconButton("plus", "Zoom in (+)", () => this.zoom(1.5)),
      iconButton("fit", "Fit (0)", () => { this.fit(); this.moved(); }));
    this.stage = h("div", { class: "nbx-stage" }, this.canvas, tools, this.bar, this.readout, this.hint,
      h("div", { class: "nbx-wait", "aria-hidden": "true" }));
    this.axes = h("div", { class: "nbx-axes" });
    this.listen();
    return h("div", { class: "nbx-viewer" }, this.stage, this.axes);
  }

  setCropping(on) {
    this.cropping = on;
    this.cropButton.setAttribute("aria-pressed", String(on));
    this.stage.classList.toggle("nbx-cropping", on);
  }

  listen() {
    const canvas = this.canvas;
    let from = null;
    canvas.addEventListener("pointerdown", (event) => {
      if (event.button || !this.frame) return;
      canvas.focus({ preventScroll: true });
      canvas.setPointerCapture(event.pointerId);
      from = { ...this.place(event), px: event.clientX, py: event.clientY };
      event.preventDefault();
    });
    canvas.addEventListener("pointermove", (event) => {
      if (!this.frame) return;
      if (from && this.cropping) {
        const at = this.place(event);
        const { y, x } = this.state.image.sizes;
        const clip = (v, n) => Math.min(Math.max(Math.round(v), 0), n);
        this.drawn = [
          clip(Math.min(from.y, at.y), y), clip(Math.max(from.y, at.y), y),
          clip(Math.min(from.x, at.x), x), clip(Math.max(from.x, at.x), x),
        ];
        this.paint();
      } else if (from) {
        const ratio = canvas.width / canvas.getBoundingClientRect().width;
        this.pan((event.clientX - from.px) * ratio, (event.clientY - from.py) * ratio);
        from.px = event.clientX;
        from.py = event.clientY;
      }
      this.readOut(event);
    });
    const end = () => {
      if (from && this.drawn) {
        const [y0, y1, x0, x1] = this.drawn;
        this.drawn = null;
        if (y1 > y0 && x1 > x0) {
          this.crop("y", [y0, y1]);
          this.crop("x", [x0, x1]);
        }
        this.setCropping(false);
      }
      from = null;
    };
    canvas.addEventListener("pointerup", end);
    canvas.addEventListener("pointercancel", end);
    canvas.addEventListener("pointerleave", () => { this.readout.textContent = ""; });
    canvas.addEventListener("wheel", (event) => {
      const held = document.activeElement === canvas || event.ctrlKey || event.metaKey;
      this.hint.hidden = held;
      if (!held) { // the page scrolls, as everywhere in a notebook
        clearTimeout(this.hinter);
        this.hinter = setTimeout(() => { this.hint.hidden = true; }, 1500);
        return;
      }
      event.preventDefault();
      const { cx, cy } = this.place(event);
      this.zoom(Math.exp(-event.deltaY * 0.0015), cx, cy);
    }, { passive: false });
    canvas.addEventListener("keydown", (event) => {
      const step = 40;
      const moves = { ArrowLeft: [step, 0], ArrowRight: [-step, 0], ArrowUp: [0, step], ArrowDown: [0, -step] };
      const axis = this.state?.image && ["z", "t"].find((name) => name in this.state.image.index);
      if (event.key in moves) this.pan(...moves[event.key]);
      else if (event.key === "+" || event.key === "=") this.zoom(1.25);
      else if (event.key === "-") this.zoom(0.8);
      else if (event.key === "0") { this.fit(); this.moved(); }
      else if (event.key === "Escape") { this.drawn = null; this.setCropping(false); this.paint(); }
      else if (event.key === "PageUp" && axis) this.go(axis, this.state.image.index[axis] - 1);
      else if (event.key === "PageDown" && axis) this.go(axis, this.state.image.index[axis] + 1);
      else return;
      event.preventDefault();
      event.stopPropagation();
    });
  }

  resize() {
    const ratio = Math.min(window.devicePixelRatio || 1, 2);
    const width = Math.max(Math.round(this.stage.clientWidth * ratio), 16);
    const height = Math.max(Math.round(this.stage.clientHeight * ratio), 16);
    if (this.canvas.width === width && this.canvas.height === height) return;
    const keep = this.frame && !this.frame.fitted;
    this.canvas.width = width;
    this.canvas.height = height;
    if (!this.state?.image) return;
    if (!keep) this.fit();
    this.paint();
    this.refine();
    this.showChannels();
  }

  // -------------------------------------------------------------- actions

  go(axis, value) {
    const image = this.state.image;
    const next = Math.min(Math.max(value, 0), image.sizes[axis] - 1);
    if (image.index[axis] === next) return;
    image.index[axis] = next;
    this.act(`index ${axis}`, { type: "index", axis, value: next }, 120);
    this.showAxes();
    this.refresh();
  }

  play(axis) {
    if (this.gone) return;
    const stop = this.playing === axis;
    clearInterval(this.player);
    this.playing = stop ? null : axis;
    if (!stop) {
      this.player = setInterval(() => {
        if (this.wanted && performance.now() - this.wanted.at < 3000) return; // not faster than pictures come
        this.go(axis, (this.state.image.index[axis] + 1) % this.state.image.sizes[axis]);
      }, 100);
    }
    this.showAxes();
  }

  change(i, field, value, wait = 0) {
    this.act(`channel ${i} ${field}`, { type: "channel", channel: i, field, value }, wait);
  }

  setWindow(i, start, end, now = false) {
    if (!(start < end)) return;
    this.state.image.channels[i].window = [start, end];
    this.change(i, "window", [start, end], 120);
    if (now) this.recolourNow(); else this.recolour();
    this.showChannel(i);
  }

  crop(axis, value) {
    const image = this.state.image;
    const whole = !value || (value[0] <= 0 && value[1] >= image.sizes[axis]);
    image.crop[axis] = whole ? [0, image.sizes[axis]] : value;
    image.cropped = image.cropped.filter((name) => name !== axis);
    if (!whole) image.cropped.push(axis);
    this.act(`crop ${axis}`, { type: "crop", axis, value: whole ? null : value }, 60);
    this.showCrop();
    this.paint();
  }

  say(text, bad = false) {
    this.said.textContent = text;
    this.said.hidden = !text;
    this.said.classList.toggle("nbx-bad", bad);
  }

  // -------------------------------------------------------------- showing

  show(before) {
    const { image, said, trouble, problems } = this.state;
    this.root.setAttribute("aria-label", `Export ${image?.title ?? ""}`);
    this.title.textContent = image?.title ?? "Not understood yet";
    this.subtitle.replaceChildren(...(image ? [
      ...Object.entries(image.sizes).filter(([n]) => n !== "s").map(([n, size]) => h("span", { class: "nbx-chip" }, h("b", {}, n), ` ${size}`)),
      h("span", { class: "nbx-plain" }, `${image.kind === "intensity" ? "" : image.kind + " · "}${image.dtype} · ${image.nbytes}`),
    ] : []));
    const general = Object.entries(problems).filter(([key]) => key === "").flatMap(([, texts]) => texts);
    this.say([said, trouble, ...general].filter(Boolean).join("\n"), true);
    this.canvas.setAttribute("aria-label", this.describePicture());
    if (image) {
      const old = before?.image;
      if (!this.frame || !old || old.sizes.x !== image.sizes.x || old.sizes.y !== image.sizes.y) {
        this.resize();
        this.fit();
      }
      this.recolourNow();
      const sameMethod = before && before.plan?.method === this.state.plan?.method
        && JSON.stringify([before.options.factors, before.options.levels, before.format])
          === JSON.stringify([this.state.options.factors, this.state.options.levels, this.state.format]);
      if (!sameMethod && this.state.level !== null) this.layers.base = null;
      if (!this.wanted || this.state.level !== before?.level) {
        if (!this.current(this.layers.base)) this.refresh();
      }
    }
    this.showAxes();
    this.showChannels();
    this.showLevels();
    this.showOutput();
    this.showMetadata();
    this.showExport();
  }

  describePicture() {
    const image = this.state.image;
    if (!image) return "No picture";
    const at = Object.entries(image.index).map(([n, i]) => `${n} ${i + 1} of ${image.sizes[n]}`);
    const seen = image.channels.filter((c) => c.active).map((c) => c.label);
    return [`Picture of ${image.title}`, ...at, seen.length ? `channels ${seen.join(", ")}` : ""].filter(Boolean).join(", ");
  }

  showAxes() {
    const image = this.state?.image;
    const names = Object.keys(image?.index ?? {});
    if (this.axisNames !== names.join()) {
      this.axisNames = names.join();
      this.axisRows = {};
      this.axes.replaceChildren(...names.map((name) => {
        const word = { t: "Time", z: "Depth" }[name] ?? name;
        const slider = h("input", { type: "range", class: `nbx-range nbx-${name}`, min: 0, step: 1, "aria-label": `${word} (${name})` });
        slider.addEventListener("input", () => this.go(name, Number(slider.value)));
        slider.addEventListener("keydown", (event) => event.stopPropagation());
        const button = iconButton("play", `Play ${word.toLowerCase()}`, () => this.play(name), { "aria-pressed": "false" });
        const text = h("output", { class: "nbx-at" });
        this.axisRows[name] = { slider, button, text };
        return h("div", { class: "nbx-axis" }, button, h("span", { class: "nbx-name" }, name), slider, text);
      }));
    }
    for (const name of names) {
      const { slider, button, text } = this.axisRows[name];
      const i = image.index[name], axis = image.axes[name];
      slider.max = image.sizes[name] - 1;
      slider.value = i;
      slider.style.setProperty("--nbx-part", `${image.sizes[name] > 1 ? i / (image.sizes[name] - 1) * 100 : 0}%`);
      const where = axis.positions ? axis.positions[i] : axis.start + i * axis.scale;
      text.textContent = `${i + 1} / ${image.sizes[name]}${axis.calibrated ? `  ${number(where)} ${axis.unit}` : ""}`;
      slider.setAttribute("aria-valuetext", text.textContent);
      const playing = this.playing === name;
      button.replaceChildren(icon(playing ? "pause" : "play", true));
      button.setAttribute("aria-pressed", String(playing));
    }
  }

  showChannels() {
    if (!this.has("channels") || !this.state) return;
    const { page } = this.pages.channels;
    const image = this.state.image;
    const channels = image?.channels ?? [];
    if (this.cards?.length !== channels.length || (!channels.length && !page.childNodes.length)) {
      this.cards = channels.map((_, i) => this.buildChannel(i));
      page.replaceChildren(...this.cards.map((card) => card.root));
      if (!channels.length) {
        page.append(h("p", { class: "nbx-note" }, image?.kind === "labels"
          ? "Labels: every object has a colour of its own, and levels keep object numbers."
          : "RGB: colours are in the pixels."));
      }
    }
    channels.forEach((_, i) => this.showChannel(i));
  }

  buildChannel(i) {
    const eye = iconButton("eye", "Shown", () => {
      const channel = this.state.image.channels[i];
      channel.active = !channel.active;
      this.change(i, "active", channel.active);
      this.recolour();
      this.showChannel(i);
      if (channel.active && !this.current(this.layers.base)) this.refresh();
      else this.refine(); // the fewer, the finer
    });
    eye.classList.add("nbx-eye");
    const color = h("input", { type: "color", class: "nbx-color" });
    color.addEventListener("input", () => {
      const value = color.value.slice(1).toUpperCase();
      this.state.image.channels[i].color = value;
      this.change(i, "color", value, 120);
      this.recolour();
      this.showChannel(i);
    });
    const label = typed(h("input", { type: "text", class: "nbx-label", spellcheck: false }), (value) => {
      this.state.image.channels[i].label = value;
      this.change(i, "label", value || null);
    });
    const histogram = h("canvas", { class: "nbx-histogram", height: 46, "aria-hidden": "true" });
    const low = h("input", { type: "range", class: "nbx-low", step: "any" });
    const high = h("input", { type: "range", class: "nbx-high", step: "any" });
    const rounded = (v) => (this.whole ? Math.round(v) : v);
    const slide = (which) => () => {
      let [a, b] = this.windowOf(i);
      const v = rounded(Number(which === "low" ? low.value : high.value));
      const gap = this.whole ? 1 : (Number(low.max) - Number(low.min)) / 1000 || 1e-9;
      if (which === "low") a = Math.min(v, b - gap); else b = Math.max(v, a + gap);
      this.setWindow(i, a, b);
    };
    low.addEventListener("input", slide("low"));
    high.addEventListener("input", slide("high"));
    const from = typed(h("input", { type: "number", class: "nbx-from", step: "any" }), (value) => this.setWindow(i, Number(value), this.windowOf(i)[1]));
    const to = typed(h("input", { type: "number", class: "nbx-to", step: "any" }), (value) => this.setWindow(i, this.windowOf(i)[0], Number(value)));
    for (const input of [low, high]) input.addEventListener("keydown", (event) => event.stopPropagation());
    const auto = h("button", { type: "button", class: "nbx-small nbx-auto", title: "Percentiles 0.1 and 99.9 of what is shown",
      onclick: () => { const s = this.stats.get(i); if (s) this.setWindow(i, ...s.auto.map(rounded).map((v, k, all) => (k && v <= all[0] ? all[0] + 1 : v))); } }, "Auto");
    const full = h("button", { type: "button", class: "nbx-small nbx-full", title: "Smallest to largest value of what is shown",
      onclick: () => { const s = this.stats.get(i); if (s) this.setWindow(i, s.range[0], s.range[1] > s.range[0] ? s.range[1] : s.range[0] + 1); } }, "Full");
    const undo = iconButton("undo", "As the array says", () => {
      for (const field of ["window", "color", "label", "active"]) this.change(i, field, null);
    });
    const root = h("div", { class: "nbx-channel", role: "group" },
      h("div", { class: "nbx-line" }, eye, color, label, undo),
      h("div", { class: "nbx-window" }, histogram, low, high),
      h("div", { class: "nbx-line nbx-numbers" }, from, h("span", { class: "nbx-dash" }, "to"), to, h("span", { class: "nbx-grow" }), auto, full));
    return { root, eye, color, label, histogram, low, high, from, to };
  }

  showChannel(i) {
    const card = this.cards?.[i], channel = this.state.image?.channels[i];
    if (!card || !channel) return;
    const { label } = channel;
    card.root.setAttribute("aria-label", `Channel ${label}`);
    card.root.classList.toggle("nbx-off", !channel.active);
    card.root.style.setProperty("--nbx-color", `#${channel.color}`);
    card.eye.setAttribute("aria-pressed", String(channel.active));
    card.eye.title = channel.active ? "Shown; press to hide" : "Hidden; press to show";
    card.color.value = `#${channel.color.toLowerCase()}`;
    card.color.setAttribute("aria-label", `Colour of ${label}`);
    put(card.label, label);
    card.label.setAttribute("aria-label", `Name of channel ${i}`);
    const [a, b] = this.windowOf(i);
    const stats = this.stats.get(i);
    const least = Math.min(a, stats?.range[0] ?? a), most = Math.max(b, stats?.range[1] ?? b);
    for (const [input, value, word] of [[card.low, a, "Darkest"], [card.high, b, "Brightest"]]) {
      input.min = least;
      input.max = most;
      input.value = value;
      input.step = this.whole ? 1 : (most - least) / 1000 || "any";
      input.setAttribute("aria-label", `${word} value of ${label}`);
      input.setAttribute("aria-valuetext", number(value));
    }
    put(card.from, number(a, 6));
    put(card.to, number(b, 6));
    card.from.setAttribute("aria-label", `Window of ${label} from`);
    card.to.setAttribute("aria-label", `Window of ${label} to`);
    this.paintHistogram(card.histogram, stats, channel, a, b, least, most);
  }

  paintHistogram(canvas, stats, channel, a, b, least, most) {
    const width = canvas.clientWidth;
    if (!width) return;
    const ratio = window.devicePixelRatio || 1;
    canvas.width = Math.round(width * ratio);
    canvas.height = Math.round(canvas.clientHeight * ratio);
    const context = canvas.getContext("2d");
    const style = getComputedStyle(canvas);
    context.clearRect(0, 0, canvas.width, canvas.height);
    const span = most - least || 1;
    const px = (v) => (v - least) / span * canvas.width;
    context.fillStyle = style.getPropertyValue("--nbx-inside");
    context.fillRect(px(a), 0, px(b) - px(a), canvas.height);
    if (stats) {
      const [from, to] = stats.range, n = stats.histogram.length;
      const tallest = Math.max(...stats.histogram.map((v) => Math.log1p(v))) || 1;
      const step = (to > from ? to - from : 1) / n;
      context.beginPath();
      context.moveTo(px(from), canvas.height);
      stats.histogram.forEach((count, k) => {
        const y = canvas.height - Math.log1p(count) / tallest * canvas.height * 0.92;
        context.lineTo(px(from + k * step), y);
        context.lineTo(px(from + (k + 1) * step), y);
      });
      context.lineTo(px(to), canvas.height);
      context.fillStyle = style.getPropertyValue("--nbx-hist");
      context.fill();
    }
    context.strokeStyle = style.getPropertyValue("--nbx-curve");
    context.lineWidth = 1.5 * ratio;
    context.beginPath();
    context.moveTo(px(a), canvas.height);
    context.lineTo(px(b), 1);
    context.stroke();
  }

  // A field of a format, as the kernel lists it.
  buildField(field) {
    const id = newId();
    let input;
    const send = (value) => this.act(`option ${field.name}`, { type: "option", name: field.name, value });
    if (field.kind === "choice") {
      input = h("select", { id, class: `nbx-field nbx-option-${field.name}`, onchange: () => send(field.choices[input.selectedIndex][0]) },
        ...field.choices.map(([, text]) => h("option", {}, text)));
      input.addEventListener("keydown", (event) => event.stopPropagation());
    } else if (field.kind === "flag") {
      input = h("input", { type: "checkbox", id, class: `nbx-option-${field.name}`, onchange: () => send(input.checked) });
    } else {
      const numeric = field.kind === "whole" || field.kind === "number";
      input = typed(h("input", {
        type: numeric ? "number" : "text", id, class: `nbx-field nbx-option-${field.name}`,
        placeholder: field.placeholder, step: field.kind === "whole" ? 1 : "any", spellcheck: false,
      }), send);
    }
    input.title = field.help;
    const row = h("div", { class: `nbx-option${field.kind === "flag" ? " nbx-flag" : ""}` },
      h("label", { htmlFor: id, title: field.help }, field.label), input);
    const update = (value) => {
      if (field.kind === "choice") {
        const at = field.choices.findIndex(([choice]) => JSON.stringify(choice) === JSON.stringify(value ?? null));
        input.selectedIndex = Math.max(at, 0);
      } else if (field.kind === "flag") input.checked = Boolean(value);
      else put(input, value);
    };
    return { row, update, name: field.name };
  }

  buildLevels() {
    if (!this.has("levels")) return;
    this.levelTable = h("div", { class: "nbx-scroll" });
    this.levelFields = h("div", { class: "nbx-fields" });
    this.levelNote = h("p", { class: "nbx-note" });
    this.pages.levels.page.append(this.levelTable, this.levelNote, this.levelFields);
  }

  showFields() {
    if (this.fieldsOf === this.state.format) {
      for (const field of this.fields) field.update(this.state.options[field.name]);
      return;
    }
    this.fieldsOf = this.state.format;
    const all = this.setup.fields[this.state.format] ?? [];
    this.fields = [];
    for (const [group, box] of [["levels", this.levelFields], ["output", this.outputFields]]) {
      if (!box) continue;
      const fields = all.filter((field) => field.group === group && (field.name !== "gamma" || this.state.image?.kind !== "labels")).map((field) => this.buildField(field));
      box.replaceChildren(...fields.map((field) => field.row));
      this.fields.push(...fields);
    }
    for (const field of this.fields) field.update(this.state.options[field.name]);
  }

  showLevels() {
    if (!this.has("levels")) return;
    const { tab } = this.pages.levels;
    tab.hidden = !this.state.has_levels;
    if (tab.hidden && this.tab === "levels") this.choose("output");
    this.showFields();
    const { plan, level } = this.state;
    const choose = (value) => {
      this.state.level = value;
      this.act("level", { type: "level", value });
      this.layers.base = null;
      this.refresh();
      this.showLevels();
    };
    const name = `${this.id}-level`;
    const radio = (value, label) => {
      const input = h("input", { type: "radio", name, checked: level === value, class: `nbx-level-${value ?? "auto"}`, "aria-label": label });
      input.addEventListener("change", () => choose(value));
      input.addEventListener("keydown", (event) => event.stopPropagation());
      return input;
    };
    const rows = plan.levels.map((row) => h("tr", {
      class: level === row.level ? "nbx-chosen" : "", onclick: (event) => { if (event.target.tagName !== "INPUT") choose(row.level); },
    },
    h("td", {}, radio(row.level, `Look at level ${row.level}`), h("b", {}, String(row.level))),
    h("td", {}, h("div", { class: "nbx-shape" }, row.shape),
      h("div", { class: "nbx-faint" }, `${row.scale} ${row.unit}`),
      h("div", { class: "nbx-faint" }, `${plan.chunk_word} ${row.chunks}${row.shards ? ` in shards ${row.shards}` : ""}`)),
    h("td", { class: "nbx-right" }, row.nbytes)));
    const focused = this.levelTable.contains(document.activeElement);
    this.levelTable.replaceChildren(h("table", { class: "nbx-table" },
      h("thead", {}, h("tr", {}, ...["Level", (plan.dims ?? "").split(" ").join(" × "), "Bytes"]
        .map((text, i) => h("th", { class: i === 2 ? "nbx-right" : "", scope: "col" }, text)))),
      h("tbody", {}, h("tr", {
        class: level === null ? "nbx-chosen" : "", onclick: (event) => { if (event.target.tagName !== "INPUT") choose(null); },
      }, h("td", { colSpan: 3 }, radio(null, "Look as fine as the picture needs"), "As fine as the picture needs")), ...rows)));
    if (focused) this.levelTable.querySelector("input:checked")?.focus();
    this.levelNote.textContent = plan.levels.length
      ? "Choose a level to see its pixels, as they will be written."
      : "";
  }

  buildOutput() {
    if (!this.has("output")) return;
    this.cropBox = h("div", { class: "nbx-crop" });
    this.keepBox = h("div", { class: "nbx-keep", role: "group", "aria-label": "Channels that are written" });
    this.outputFields = h("div", { class: "nbx-fields" });
    this.cost = h("div", { class: "nbx-cost" });
    this.losses = h("ul", { class: "nbx-losses" });
    this.pages.output.page.append(
      this.cost, h("h4", {}, "Part that is written"), this.cropBox, this.keepBox,
      h("h4", {}, "Options"), this.outputFields, this.losses);
  }

  showOutput() {
    if (!this.has("output")) return;
    this.showFields();
    const { image, plan } = this.state;
    this.showCrop();
    const keep = image?.channels ?? [];
    this.keepBox.replaceChildren(...(keep.length > 1 ? keep.map((channel, i) => {
      const input = h("input", { type: "checkbox", checked: channel.kept, class: `nbx-keep-${i}` });
      input.addEventListener("change", () => {
        channel.kept = input.checked;
        const value = keep.map((c, k) => (c.kept ? k : -1)).filter((k) => k >= 0);
        this.act("keep", { type: "keep", value });
      });
      return h("label", { class: "nbx-check" }, input, h("span", { class: "nbx-spot", style: `background:#${channel.color}` }), channel.label);
    }) : []));
    const { cost } = plan;
    const { frames } = this.state;
    this.cost.replaceChildren(...(frames ? [
      ["Frames", String(frames.count), "one a time point or depth"],
      ["Size", `${frames.width} × ${frames.height}`, "pixels of a frame, before it is made even"],
    ] : cost ? [
      ["Pixels", cost.pixels, "all levels, uncompressed"],
      ["On disk", `≈ ${cost.disk}`, "estimated from the plane that is shown"],
      ["Memory", `≈ ${cost.memory}`, "at its peak, beside the array itself"],
      ["Time", duration(cost.seconds), "estimated from the last export here"],
    ].map(([word, value, help]) => h("div", { class: "nbx-figure", title: help }, h("span", {}, word), h("b", {}, value))) : []));
    this.losses.replaceChildren(...(plan.losses ?? []).map((text) => h("li", {}, text)));
  }

  showCrop() {
    if (!this.cropBox) return;
    const image = this.state.image;
    const names = Object.keys(image?.crop ?? {});
    if (this.cropNames !== names.join()) {
      this.cropNames = names.join();
      this.cropRows = {};
      this.cropBox.replaceChildren(...names.map((name) => {
        const field = (word, k) => typed(h("input", { type: "number", class: `nbx-crop-${name}-${word}`, step: 1, min: 0, "aria-label": `${name} ${word}` }), (value) => {
          const next = [...this.state.image.crop[name]];
          next[k] = Math.round(Number(value));
          this.crop(name, next);
        });
        const start = field("from", 0), stop = field("to", 1), of = h("span", { class: "nbx-faint" });
        const reset = iconButton("undo", `Write all of ${name}`, () => this.crop(name, null));
        this.cropRows[name] = { start, stop, of, reset };
        return h("div", { class: "nbx-line" }, h("span", { class: "nbx-name" }, name), start, h("span", { class: "nbx-dash" }, "to"), stop, of, reset);
      }));
    }
    for (const name of names) {
      const { start, stop, of, reset } = this.cropRows[name];
      put(start, image.crop[name][0]);
      put(stop, image.crop[name][1]);
      start.max = stop.max = image.sizes[name];
      of.textContent = `of ${image.sizes[name]}`;
      reset.style.visibility = image.cropped.includes(name) ? "visible" : "hidden";
    }
  }

  buildMetadata() {
    if (!this.has("metadata")) return;
    const id = newId();
    this.nameField = typed(h("input", { type: "text", id, class: "nbx-field nbx-image-name", spellcheck: false }), (value) => this.act("name", { type: "name", value }));
    this.units = h("datalist", { id: newId() }, ...this.setup.units.map((unit) => h("option", { value: unit })));
    this.metaTable = h("div", { class: "nbx-scroll" });
    this.metaNotes = h("div");
    this.pages.metadata.page.append(
      h("div", { class: "nbx-option" }, h("label", { htmlFor: id }, "Name"), this.nameField), this.units, this.metaTable, this.metaNotes);
  }

  showMetadata() {
    if (!this.has("metadata")) return;
    const { rows, problems, image } = this.state;
    put(this.nameField, this.state.name ?? image?.title ?? "");
    const hints = image?.hints ?? {};
    const key = JSON.stringify(rows.map((row) => row.dim + row.axis));
    if (this.metaKey !== key) {
      this.metaKey = key;
      this.metaRows = rows.map((row) => this.buildMetaRow(row));
      this.metaTable.replaceChildren(h("table", { class: "nbx-table nbx-meta" },
        h("thead", {}, h("tr", {}, ...["Dim", "Axis", "Size", "Pixel to pixel", "Unit"].map((text) => h("th", { scope: "col" }, text)))),
        h("tbody", {}, ...this.metaRows.flatMap((row) => [row.root, row.under]))));
    }
    rows.forEach((row, i) => {
      const shown = this.metaRows[i];
      shown.axis.value = row.axis;
      shown.size.textContent = row.size;
      if (shown.scale) {
        put(shown.scale, row.own_scale ?? row.scale);
        put(shown.unit, row.own_unit ?? row.unit);
      }
      const wrong = [`scale.${row.axis}`, `units.${row.axis}`, `dims.${row.dim}`].flatMap((k) => problems[k] ?? []);
      const missing = [`scale.${row.axis}`, `units.${row.axis}`].flatMap((k) => hints[k] ?? []);
      shown.under.hidden = !(wrong.length || missing.length);
      shown.text.className = wrong.length ? "nbx-problem" : "nbx-missing";
      shown.text.textContent = (wrong.length ? wrong : missing).join("\n");
    });
    const lists = [["Notes", image?.notes], ["Left out", image?.losses]].filter(([, texts]) => texts?.length);
    this.metaNotes.replaceChildren(...lists.flatMap(([title, texts]) => [
      h("h4", {}, title), h("ul", { class: "nbx-losses" }, ...texts.map((text) => h("li", {}, text)))]));
    const { tab } = this.pages.metadata;
    const bad = Object.keys(problems).length > 0, some = bad || Object.keys(hints).length > 0;
    const dot = tab.querySelector(".nbx-dot");
    dot.hidden = !some;
    dot.classList.toggle("nbx-red", bad);
    tab.title = bad ? "Something is wrong" : some ? "Something is missing" : "";
    if (!image && this.tab !== "metadata") this.choose("metadata");
  }

  buildMetaRow(row) {
    const options = ["", "t", "c", "z", "y", "x", "s"];
    const axis = h("select", { class: `nbx-dim-${row.axis || "none"}`, "aria-label": `Axis of dim ${row.dim}` },
      ...options.map((name) => h("option", { value: name }, name || "–")));
    axis.addEventListener("change", () => this.act(`dims ${row.dim}`, { type: "dims", dim: row.dim, value: axis.value || null }));
    axis.addEventListener("keydown", (event) => event.stopPropagation());
    const size = h("td");
    let scale = null, unit = null;
    const cells = [h("td"), h("td")];
    if ("scale" in row && row.axis !== "c" && row.axis !== "s") {
      scale = typed(h("input", { type: "number", step: "any", min: 0, class: `nbx-scale-${row.axis}`, placeholder: "unknown", "aria-label": `Distance from pixel to pixel along ${row.axis}` }),
        (value) => this.act(`scale ${row.axis}`, { type: "scale", axis: row.axis, value: value === "" ? null : Number(value) }));
      unit = typed(h("input", { type: "text", list: this.units.id, class: `nbx-unit-${row.axis}`, placeholder: "none", spellcheck: false, "aria-label": `Unit along ${row.axis}` }),
        (value) => this.act(`units ${row.axis}`, { type: "units", axis: row.axis, value }));
      cells[0].append(scale);
      cells[1].append(unit);
    }
    const text = h("div");
    const under = h("tr", { hidden: true }, h("td", { colSpan: 5, class: "nbx-under" }, text));
    return { axis, size, scale, unit, text, under, root: h("tr", {}, h("td", {}, h("code", {}, row.dim)), h("td", {}, axis), size, ...cells) };
  }

  buildExport() {
    const formats = this.setup.formats;
    this.format = h("select", { class: "nbx-format", "aria-label": "Format" }, ...formats.map(({ value, label }) => h("option", { value }, label)));
    this.format.addEventListener("change", () => this.act("format", { type: "format", value: this.format.value }));
    this.format.addEventListener("keydown", (event) => event.stopPropagation());
    this.target = typed(h("input", { type: "text", class: "nbx-target", spellcheck: false, "aria-label": "Target" }), (value) => this.act("target", { type: "target", value }));
    this.exportButton = h("button", { type: "button", class: "nbx-export", onclick: () => { this.flush(); this.send({ type: "export" }); this.exportButton.disabled = true; } }, "Export");
    this.cancelButton = h("button", { type: "button", class: "nbx-cancel", hidden: true, onclick: () => this.send({ type: "cancel" }) }, "Cancel");
    this.overwrite = h("input", { type: "checkbox", class: "nbx-overwrite" });
    this.overwrite.addEventListener("change", () => this.act("overwrite", { type: "overwrite", value: this.overwrite.checked }));
    this.warning = h("div", { class: "nbx-warning", hidden: true }, this.warningText = h("span"), h("label", { class: "nbx-check" }, this.overwrite, "Replace it once the new one is complete"));
    this.progress = h("div", { class: "nbx-progress", role: "progressbar", "aria-label": "Export", "aria-valuemin": "0", "aria-valuemax": "100", hidden: true }, this.progressFill = h("div"));
    this.status = h("div", { class: "nbx-status", role: "status", "aria-live": "polite" });
    this.code = h("code", { class: "nbx-code", tabIndex: 0, "aria-label": "The call that writes this" });
    this.copy = iconButton("copy", "Copy the call", () => this.copyCode());
    this.copy.classList.add("nbx-copy");
    this.report = h("div", { class: "nbx-report", hidden: true });
    return h("div", { class: "nbx-foot" },
      h("div", { class: "nbx-row" }, this.format, this.target, this.exportButton, this.cancelButton),
      this.progress, this.status, this.warning,
      h("div", { class: "nbx-call" }, this.code, this.copy), this.report);
  }

  async copyCode() {
    const text = this.code.textContent;
    try {
      await navigator.clipboard.writeText(text);
    } catch { // no permission, or no secure context: the old way
      const box = h("textarea", { value: text, class: "nbx-hidden" });
      this.root.append(box);
      box.select();
      document.execCommand("copy");
      box.remove();
    }
    this.copy.replaceChildren(icon("check"));
    this.copied = setTimeout(() => this.copy.replaceChildren(icon("copy")), 1200);
  }

  showExport() {
    if (!this.has("export")) return;
    const { format, target, exists, overwrite, code, problems } = this.state;
    this.format.value = format;
    put(this.target, target);
    this.warning.hidden = !exists;
    this.overwrite.checked = overwrite;
    this.paintCode(code);
    this.wrong = !code || Object.keys(problems).length > 0;
    this.showJob();
  }

  paintCode(text) { // strings and numbers get colours; the text stays whole
    const parts = text.split(/("(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|\b\d+(?:\.\d+)?\b|\b(?:True|False|None)\b)/);
    this.code.replaceChildren(...parts.map((part, i) => (i % 2
      ? h("span", { class: /^["']/.test(part) ? "nbx-str" : "nbx-num" }, part)
      : document.createTextNode(part))));
  }

  showJob() {
    if (!this.has("export")) return;
    let job = this.model.get("job") ?? { phase: "idle" };
    if (this.gone && ["running", "cancelling"].includes(job.phase)) {
      job = { phase: "failed", text: "The export ended with the kernel." };
    }
    const running = job.phase === "running" || job.phase === "cancelling";
    const own = job.phase === "done"; // what is there was just written
    this.warning.classList.toggle("nbx-own", own);
    this.warningText.textContent = own ? "Once more to the same target?" : "The target exists.";
    this.root.dataset.phase = job.phase;
    this.exportButton.disabled = running || Boolean(this.wrong) || Boolean(this.gone);
    this.exportButton.textContent = running ? "Exporting…" : "Export";
    this.cancelButton.hidden = !running;
    this.cancelButton.disabled = job.phase === "cancelling" || job.can_stop === false;
    this.cancelButton.title = job.can_stop === false ? "A single picture is made in one go" : "";
    this.progress.hidden = !running;
    this.status.className = `nbx-status nbx-${job.phase}`;
    if (running) {
      const part = job.total ? job.done / job.total : 0;
      this.progressFill.style.width = `${part * 100}%`;
      this.progress.setAttribute("aria-valuenow", String(Math.round(part * 100)));
      this.progress.classList.toggle("nbx-unknown", !job.total);
      this.status.textContent = job.phase === "cancelling" ? "Stopping…"
        : job.total ? [`${Math.round(part * 100)} %`, `${bytes(job.nbytes_per_second)}/s`,
          job.seconds_left === null ? "" : `${duration(job.seconds_left)} left`].filter(Boolean).join(" · ")
          : job.can_stop === false ? "Writing one picture, in one go: it can't be stopped."
            : "Starting…";
    } else this.status.textContent = job.text ?? "";
    const done = job.phase === "done" ? job.text : "";
    if (this.reported !== done) {
      this.reported = done;
      this.report.hidden = true;
      // By message: a movie in it must not end up in the saved notebook.
      if (done) this.send({ type: "report", view: this.id });
    }
  }
}

function render({ model, el }) {
  const view = new View(model, el);
  return () => view.remove();
}

export default { render };
