// The page: begins with everything, then takes what is new, and touches only what changed.
const $ = (id) => document.getElementById(id);
const el = (tag, cls, text) => {
  const node = document.createElement(tag);
  if (cls) node.className = cls;
  if (text !== undefined) node.textContent = text;
  return node;
};
const set = (node, text) => { if (node.textContent !== text) node.textContent = text; };
const SPARK = 90;
const COVERED = new Set(["SHELVED", "SUPPRESSED", "OUT_OF_SERVICE"]);
const WORDS = {
  NORMAL: "normal", ACTIVE_UNACK: "ALARM", ACTIVE_ACK: "seen", CLEARED_UNACK: "cleared, unseen",
  CLEARED_ACK: "cleared", SHELVED: "shelved", SUPPRESSED: "suppressed", OUT_OF_SERVICE: "out of service",
};
const RANK = { critical: 0, warning: 1, advisory: 2 };
const rank = (severity) => RANK[severity] ?? 1;
const tone = (severity) => (severity in RANK ? severity : "warning");
const two = (value) => (value === null || value === undefined ? "–" : value >= 10 ? value.toFixed(0) : value.toFixed(2));
const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const age = (s) => (s === undefined || s === null ? "–" : s < 120 ? `${s.toFixed(1)} s` : s < 7200 ? `${(s / 60).toFixed(0)} min` : s < 172800 ? `${(s / 3600).toFixed(0)} h` : `${(s / 86400).toFixed(0)} d`);
const clock = (iso) => { const d = new Date(iso); return isNaN(d) ? "" : d.toLocaleTimeString([], { hour12: false }); };
const when = (iso) => {
  const d = new Date(iso);
  if (isNaN(d)) return "";
  const today = new Date().toDateString() === d.toDateString();
  return today ? clock(iso) : d.toLocaleString([], { day: "2-digit", month: "short", hour: "2-digit", minute: "2-digit", hour12: false });
};

const devices = new Map(); // name: its data and its tile
const groups = new Map(); // name: the element that holds its tiles
let alarms = [], info = {}, health = {}, errors = [], canAct = false, shown = null, colours = {};

// --- tiles -----------------------------------------------------------------------------------
const seen = new IntersectionObserver((entries) => {
  for (const entry of entries) {
    const device = devices.get(entry.target.dataset.id);
    if (device) { device.visible = entry.isIntersecting; if (device.visible) touch(device); }
  }
}, { rootMargin: "200px" });

function groupOf(name) {
  if (groups.has(name)) return groups.get(name);
  const section = el("section", "group");
  section.dataset.name = name;
  const head = el("h3", "", name || "all devices");
  const tiles = el("div", "tiles");
  section.append(head, tiles);
  const after = [...groups.keys()].filter((other) => other > name).sort()[0];
  $("groups").insertBefore(section, after === undefined ? null : groups.get(after).parentNode);
  groups.set(name, tiles);
  for (const other of groups.values()) other.previousSibling.hidden = groups.size === 1 && !name;
  return tiles;
}

function addDevice(name, given) {
  const tile = el("button", "tile");
  tile.type = "button";
  tile.dataset.id = name;
  const parts = {
    id: el("span", "id", name), value: el("span", "value", "–"), spark: el("canvas"), word: el("span", "word", ""), why: el("span", "why", ""),
  };
  const top = el("span", "top");
  top.append(parts.id, parts.word);
  tile.append(top, parts.value, parts.spark, parts.why);
  tile.addEventListener("click", () => open(name));
  const device = { name, ratios: [], state: { state: "NORMAL" }, availability: "unknown", window: null, tile, parts, visible: false, group: given.group || "" };
  const tiles = groupOf(device.group);
  const next = [...tiles.children].find((other) => other.dataset.id.localeCompare(name, undefined, { numeric: true }) > 0);
  tiles.insertBefore(tile, next || null);
  devices.set(name, device);
  $("groups").classList.toggle("few", devices.size <= 12);
  seen.observe(tile);
  return device;
}

const waiting = new Set();
function touch(device) {
  waiting.add(device);
  if (waiting.size === 1) requestAnimationFrame(() => {
    for (const one of waiting) paint(one);
    waiting.clear();
    narrow();
  });
}

function paint(device) {
  const { state, window: now } = device;
  const normal = state.state === "NORMAL";
  const covered = COVERED.has(state.state);
  const silent = device.availability === "offline";
  const classes = ["tile"];
  if (!normal && !covered) classes.push(tone(state.severity));
  if (covered) classes.push("covered");
  if (state.state === "ACTIVE_ACK") classes.push("seen");
  if (silent) classes.push("silent");
  const wanted = classes.join(" ");
  if (device.tile.className !== wanted) device.tile.className = wanted;
  const ratio = now && now.score !== null ? now.score / now.threshold : null;
  set(device.parts.value, two(ratio));
  const word = silent ? "silent" : normal ? (now ? (ratio === null ? "warming up" : "") : "no data") : `${WORDS[state.state] || state.state}`;
  set(device.parts.word, word);
  set(device.parts.why, normal || !state.message ? "" : state.message.replace(`${device.name}: `, ""));
  const label = `${device.name}: ${word || "normal"}, ${ratio === null ? "not scored" : two(ratio) + " of the alarm level"}${state.message && !normal ? ". " + state.message : ""}`;
  if (device.tile.title !== label) { device.tile.title = label; device.tile.setAttribute("aria-label", label); }
  if (device.visible) spark(device);
}

function spark(device) {
  const canvas = device.parts.spark;
  const scale = window.devicePixelRatio || 1;
  const w = Math.round(canvas.clientWidth * scale), h = Math.round(canvas.clientHeight * scale);
  if (!w) return;
  if (canvas.width !== w || canvas.height !== h) { canvas.width = w; canvas.height = h; }
  const c = canvas.getContext("2d");
  c.clearRect(0, 0, w, h);
  // Of the alarm level: the same for all where many are compared, else as high as the line goes.
  const top = devices.size > 12 ? 1.6 : Math.max(1.6, ...device.ratios.filter((ratio) => ratio !== null)) * 1.03;
  const y = (ratio) => h - 2 - (h - 4) * Math.min(ratio, top) / top;
  c.strokeStyle = colours.level;
  c.lineWidth = scale;
  c.setLineDash([3 * scale, 3 * scale]);
  c.beginPath(); c.moveTo(0, y(1)); c.lineTo(w, y(1)); c.stroke();
  c.setLineDash([]);
  const { ratios } = device;
  const step = w / (SPARK - 1), offset = (SPARK - ratios.length) * step;
  c.beginPath();
  let drawing = false;
  ratios.forEach((ratio, i) => {
    if (ratio === null) { drawing = false; return; }
    const x = offset + i * step;
    if (drawing) c.lineTo(x, y(ratio)); else c.moveTo(x, y(ratio));
    drawing = true;
  });
  const hot = device.state.state.startsWith("ACTIVE");
  c.strokeStyle = hot ? colours[tone(device.state.severity)] : colours.line;
  c.lineWidth = 1.4 * scale;
  c.stroke();
}

function narrow() {
  const text = $("find").value.trim().toLowerCase(), only = $("only").checked;
  for (const device of devices.values()) {
    const normal = device.state.state === "NORMAL" && device.availability !== "offline";
    const hide = (text && !device.name.toLowerCase().includes(text) && !device.group.toLowerCase().includes(text)) || (only && normal);
    if (device.tile.hidden !== Boolean(hide)) device.tile.hidden = Boolean(hide);
  }
}

// --- alarms, log, figures ----------------------------------------------------------------------
const cards = new Map();
function paintAlarms() {
  const wanted = [...alarms].sort((a, b) =>
    (a.state !== "ACTIVE_UNACK") - (b.state !== "ACTIVE_UNACK") || rank(a.severity) - rank(b.severity) || (b.start_ts || "").localeCompare(a.start_ts || ""));
  const list = $("alarms");
  const ids = new Set(wanted.map((alarm) => alarm.event_id));
  for (const [id, card] of cards) if (!ids.has(id)) { card.remove(); cards.delete(id); }
  wanted.forEach((alarm, i) => {
    let card = cards.get(alarm.event_id);
    const stamp = `${alarm.seq}|${alarm.state}|${canAct}`;
    if (!card || card.dataset.stamp !== stamp) {
      const focus = card && card.contains(document.activeElement) ? document.activeElement.className : null;
      const fresh = cardOf(alarm);
      fresh.dataset.stamp = stamp;
      if (card) card.replaceWith(fresh);
      cards.set(alarm.event_id, fresh);
      card = fresh;
      if (focus) fresh.querySelector("." + focus.split(" ")[0])?.focus();
    }
    if (list.children[i] !== card) list.insertBefore(card, list.children[i] || null);
  });
  list.querySelector(".none")?.remove();
  if (!wanted.length) list.append(el("li", "none", "No alarm is active."));
  const by = { critical: 0, warning: 0, advisory: 0 };
  let unseen = 0, covered = 0;
  for (const alarm of alarms) {
    if (COVERED.has(alarm.state)) { covered++; continue; }
    by[tone(alarm.severity)]++;
    unseen += alarm.state.endsWith("UNACK");
  }
  counts([["critical", by.critical], ["warning", by.warning], ["advisory", by.advisory], ["shelved", covered]]);
  set($("alarm-note"), alarms.length ? `${unseen} not yet seen` : "");
  document.title = (unseen ? `(${unseen}) ` : "") + $("name").textContent;
}

function counts(pairs) {
  const list = $("counts");
  if (!list.children.length) for (const [name] of pairs) { const li = el("li", ""); li.append(el("b", "", "0"), el("span", "", name)); list.append(li); }
  pairs.forEach(([name, count], i) => {
    list.children[i].className = count ? name : "";
    set(list.children[i].firstChild, String(count));
  });
}

function cardOf(alarm) {
  const covered = COVERED.has(alarm.state);
  const card = el("li", `alarm ${tone(alarm.severity)}${alarm.state === "ACTIVE_UNACK" ? " new" : ""}`);
  card.dataset.event = alarm.event_id;
  card.append(el("span", `mark ${covered ? "covered" : tone(alarm.severity)}`));
  const body = el("div");
  const text = el("button", "link text", alarm.message || alarm.device);
  text.addEventListener("click", () => open(alarm.device));
  const meta = el("p", "meta", [alarm.severity, WORDS[alarm.state] || alarm.state, alarm.group, alarm.start_ts && `since ${when(alarm.start_ts)}`,
    alarm.peak_score && `peak ${two(alarm.peak_score / alarm.threshold)}×`, alarm.chattering && "chattering", alarm.suppressed].filter(Boolean).join(" · "));
  body.append(text, meta);
  card.append(body);
  if (alarm.contributors?.length) {
    const shares = el("div", "shares");
    for (const part of alarm.contributors.slice(0, 4)) {
      const bar = el("span", "share"), fill = el("i");
      fill.style.width = `${Math.round(100 * part.share)}%`;
      bar.append(fill);
      shares.append(el("span", "", part.signal), bar, el("span", "", `${Math.round(100 * part.share)} %`));
    }
    card.append(shares);
  }
  if (canAct && alarm.detector !== "flood") {
    const act = el("div", "do");
    const ack = el("button", "ack", "Acknowledge");
    ack.disabled = !alarm.state.endsWith("UNACK");
    ack.addEventListener("click", () => ask("ack", { event_id: alarm.event_id }, ack));
    act.append(ack);
    if (alarm.state === "SHELVED") {
      const back = el("button", "unshelve", "Unshelve");
      back.addEventListener("click", () => ask("unshelve", { event_id: alarm.event_id }, back));
      act.append(back);
    } else {
      const shelve = el("button", "shelve", "Shelve 1 h");
      shelve.addEventListener("click", () => ask("shelve", { event_id: alarm.event_id, for: "1h" }, shelve));
      act.append(shelve);
    }
    card.append(act);
  }
  return card;
}

function addToLog(events) {
  const list = $("log");
  for (const event of events) {
    const row = el("li");
    const quiet = event.type === "update" && event.change !== "worse";
    row.append(el("time", "", clock(event.ts)), el("span", quiet ? "quiet" : "", event.message));
    list.prepend(row);
  }
  while (list.children.length > 60) list.lastChild.remove();
}

function facts() {
  const rows = [];
  for (const model of info.models || []) rows.push([`model ${model.name}`, `${model.version} on ${model.provider}, ${model.devices.length} devices`]);
  if (info.version) rows.push(["agent", info.version]);
  if (health.rates) {
    const rates = health.rates;
    rows.push(["new alarms", `${rates.per_10min} in 10 min, ${rates.per_day} today`]);
    if (rates.flooded) rows.push(["flood", "more alarms than anybody can take in"]);
    const loud = Object.entries(rates.talkers || {}).slice(0, 3).map(([name, count]) => `${name} ${count}`).join(", ");
    if (loud) rows.push(["loudest", loud]);
  }
  for (const error of errors) rows.push([`not used: ${error.code}`, `${error.total} × ${error.detail}`]);
  const list = $("agent"), text = JSON.stringify(rows);
  if (list.dataset.text === text) return;
  list.dataset.text = text;
  list.replaceChildren(...rows.flatMap(([name, value]) => [el("dt", "", name), el("dd", "", value)]));
}

function vitals() {
  const list = $("vitals");
  const mb = (bytes) => (bytes ? `${(bytes / 1048576).toFixed(0)} MB` : "–");
  const dropped = Object.values(health.rejected || {}).reduce((a, b) => a + b, 0);
  const pairs = [
    ["devices", String(devices.size)], ["readings/s", health.readings_per_s?.toFixed(0) ?? "–"], ["windows/s", health.windows_per_s?.toFixed(1) ?? "–"],
    ["lag", age(health.lag_s)], ["not used", String(dropped)], ["memory", mb(health.memory_bytes)],
  ];
  if (!list.children.length) for (const [name] of pairs) { const li = el("li", "", name + " "); li.append(el("b")); list.append(li); }
  pairs.forEach(([, value], i) => set(list.children[i].lastChild, value));
}

// --- one device ---------------------------------------------------------------------------------
let plots = [];
const DAY = 86400e3;
const ticks = (u, splits) => {
  const wide = splits.at(-1) - splits[0] > DAY;
  return splits.map((t) => new Date(t).toLocaleString([], wide ? { day: "2-digit", month: "short", hour: "2-digit", minute: "2-digit", hour12: false } : { hour: "2-digit", minute: "2-digit", hour12: false }));
};
const axis = () => ({ stroke: css("--soft"), grid: { stroke: css("--edge"), width: 1 }, ticks: { stroke: css("--edge"), width: 1 }, font: "11px system-ui", size: 46 });
function plot(host, data, series, more = {}) {
  const made = new uPlot({
    width: Math.max(120, host.clientWidth - 10), height: host.clientHeight - 8, ms: 1, legend: { show: false }, cursor: { y: false, drag: { setScale: true } },
    scales: { x: { time: true }, ...more.scales }, axes: [{ ...axis(), size: 26, space: 64, values: ticks }, { ...axis(), space: 22 }], series: [{}, ...series], hooks: more.hooks || {},
  }, data, host);
  plots.push({ made, host });
  return made;
}
const line = (name) => ({ stroke: css(name), width: 1.5, points: { show: false } });
const shade = (from, to) => (u) => {
  if (!from) return;
  const left = Math.max(u.valToPos(from, "x", true), u.bbox.left), right = Math.min(u.valToPos(to, "x", true), u.bbox.left + u.bbox.width);
  if (right <= left) return;
  u.ctx.fillStyle = css("--blame");
  u.ctx.fillRect(left, u.bbox.top, right - left, u.bbox.height);
};

function heading() {
  const device = devices.get(shown);
  if (!device) return;
  const { state } = device;
  set($("detail-h"), shown);
  set($("detail-state"), WORDS[state.state] || state.state);
  $("detail-state").className = `chip ${state.state === "NORMAL" ? "" : tone(state.severity)}`;
  set($("detail-text"), state.message || "");
}

async function open(name) {
  if (!devices.has(name)) return;
  shown = name;
  heading();
  if (!$("detail").open) $("detail").showModal();
  await refresh();
}

let busy = false;
async function refresh() {
  if (!shown || busy) return;
  busy = true;
  const name = shown;
  try {
    const answer = await fetch(`api/devices/${encodeURIComponent(name)}`);
    if (answer.ok && shown === name) draw(await answer.json());
  } finally { busy = false; }
}

function draw(found) {
  heading();
  const ratio = found.score.map((score, i) => (score === null ? null : score / found.threshold[i]));
  const score = [found.ts_ms, ratio, found.ts_ms.map(() => 1)];
  const trace = found.trace;
  const order = trace ? trace.signals.map((_, i) => i).sort((a, b) => trace.signals[b].share - trace.signals[a].share) : [];
  const key = `${found.device}|${order.join()}|${document.documentElement.dataset.theme || ""}`;
  const alarm = alarms.find((one) => one.device === found.device && one.state !== "CLEARED_UNACK");
  let span = trace?.window_ms || [0, 0];
  if (alarm?.where) span = [Date.parse(alarm.where.start), Date.parse(alarm.where.end)];
  if ($("signals").dataset.key !== key) {
    for (const { made } of plots) made.destroy();
    plots = [];
    $("signals").dataset.key = key;
    $("score").replaceChildren();
    plot($("score"), score, [
      { ...line("--ink"), fill: css("--fill") }, { ...line("--warning"), dash: [6, 4] },
    ], { scales: { y: { range: (_, low, high) => [0, Math.max(1.3, high * 1.08)] } } });
    const host = $("signals");
    host.replaceChildren();
    const boxes = [];
    for (const i of order) {
      const signal = trace.signals[i];
      const box = el("div", "signal"), top = el("div", "top"), area = el("div", "plot");
      top.append(el("b", "", signal.name), el("span", ""));
      box.append(top, area);
      host.append(box);
      boxes.push({ i, box, top, area, signal });
    }
    for (const { i, box, top, area, signal } of boxes) { // now that each has its final width
      const made = plot(area, [trace.t_ms, signal.expected, signal.observed], [
        { ...line("--advisory"), dash: [5, 3] }, line("--ink"),
      ], { hooks: { drawClear: [(u) => u.span && shade(u.span[0], u.span[1])(u)] } });
      made.note = top.lastChild; made.index = i; made.box = box;
    }
  } else plots[0].made.setData(score);
  for (const { made } of plots.slice(1)) {
    const signal = trace.signals[made.index];
    made.span = span;
    made.setData([trace.t_ms, signal.expected, signal.observed]);
    const last = signal.observed.at(-1), want = signal.expected.at(-1);
    set(made.note, `${last?.toPrecision(4) ?? "–"} ${signal.unit} · expected ${want?.toPrecision(4) ?? "–"} · ${Math.round(100 * signal.share)} %`);
    made.box.classList.toggle("blamed", devices.get(found.device)?.state.state !== "NORMAL" && signal.share >= 0.2);
  }
  if (!trace && $("signals").dataset.key) set($("signals"), "No window has been scored yet.");
}
$("close").addEventListener("click", () => $("detail").close());
$("detail").addEventListener("close", () => { shown = null; for (const { made } of plots) made.destroy(); plots = []; $("signals").dataset.key = ""; });
addEventListener("resize", () => { for (const { made, host } of plots) made.setSize({ width: Math.max(120, host.clientWidth - 10), height: host.clientHeight - 8 }); for (const device of devices.values()) touch(device); });
setInterval(refresh, 2000);

// --- commands -----------------------------------------------------------------------------------
async function ask(verb, body, button) {
  let token = sessionStorage.getItem("token");
  if (!token) token = await key();
  if (!token) return;
  button.disabled = true;
  try {
    const answer = await fetch(`api/cmd/${verb}`, {
      method: "POST", headers: { "content-type": "application/json", authorization: `Bearer ${token}` },
      body: JSON.stringify({ by: "page", ...body }),
    });
    if (answer.status === 401) { sessionStorage.removeItem("token"); alert("The agent does not take this token."); return; }
    const reply = await answer.json();
    if (reply.status !== "ok") alert(reply.error || "The agent did not answer.");
  } catch { alert("The agent is out of reach."); } finally { button.disabled = false; }
}
function key() {
  return new Promise((done) => {
    const box = $("key");
    $("token").value = "";
    box.returnValue = "";
    box.addEventListener("close", () => {
      const token = box.returnValue === "ok" ? $("token").value.trim() : "";
      if (token) sessionStorage.setItem("token", token);
      done(token);
    }, { once: true });
    box.showModal();
  });
}

// --- what comes from the agent ------------------------------------------------------------------
function take(news, whole) {
  if (news.base) {
    const name = news.base.split("/").slice(2).join(" / ");
    set($("name"), name);
    canAct = Boolean(news.commands);
    $("log").replaceChildren();
  }
  if (news.info) info = news.info;
  if (news.health) health = news.health;
  if (news.errors) errors = news.errors;
  if (news.status) $("link").className = `dot ${news.status}`;
  for (const [name, part] of Object.entries(news.devices || {})) {
    const device = devices.get(name) || addDevice(name, { group: part.group || part.state?.group });
    if (part.state) device.state = part.state;
    if (part.availability) device.availability = part.availability;
    if ("window" in part) device.window = part.window;
    if (part.ratios) device.ratios = part.ratios;
    if (part.more) device.ratios = device.ratios.concat(part.more).slice(-SPARK);
    touch(device);
  }
  if (news.alarms) { alarms = news.alarms; paintAlarms(); if (shown) refresh(); } else if (whole) paintAlarms();
  if (news.log) addToLog(news.log);
  facts();
  vitals();
  if (shown && news.devices?.[shown]) heading();
}
function colour() {
  colours = { line: css("--line"), level: css("--level"), critical: css("--critical"), warning: css("--warning"), advisory: css("--advisory") };
  for (const device of devices.values()) touch(device);
  $("signals").dataset.key = "";
  refresh();
}
$("find").addEventListener("input", narrow);
$("only").addEventListener("change", narrow);
$("theme").addEventListener("click", () => {
  const dark = document.documentElement.dataset.theme === "dark" || (!document.documentElement.dataset.theme && matchMedia("(prefers-color-scheme: dark)").matches);
  document.documentElement.dataset.theme = dark ? "light" : "dark";
  localStorage.setItem("theme", document.documentElement.dataset.theme);
  colour();
});
addEventListener("keydown", (event) => {
  if (event.key === "/" && !/^(INPUT|TEXTAREA)$/.test(document.activeElement.tagName)) { event.preventDefault(); $("find").focus(); }
});
if (localStorage.getItem("theme")) document.documentElement.dataset.theme = localStorage.getItem("theme");
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", colour);
colour();
const source = new EventSource("events");
source.addEventListener("all", (event) => { $("lost").hidden = true; take(JSON.parse(event.data), true); });
source.addEventListener("new", (event) => take(JSON.parse(event.data), false));
source.addEventListener("error", () => { $("lost").hidden = false; $("link").className = "dot offline"; });
