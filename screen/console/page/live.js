// The page keeps itself up to date from the streams of both servers, so that
// losing the one that served it does not lose the screen. It never asks anyone
// whether it is old: its own clock tells.

const beat = 2000;            // ms between two heartbeats of a server
const old = 3 * beat + 500;   // three were missed
const page = document.body.dataset;

class Stream {
  constructor(url) {
    this.url = url;
    this.parts = {};
    this.open();
  }

  open() {
    this.source?.close();
    this.opened = performance.now();
    this.source = new EventSource(this.url);
    this.source.addEventListener("site", (e) => this.take(JSON.parse(e.data)));
    this.source.addEventListener("beat", () => this.hear());
  }

  hear() {
    this.heard = performance.now();
    refresh();
  }

  take(message) {
    Object.assign(this.parts, message.parts);
    this.message = message;
    this.hear();
    show();
  }

  age(now) { return this.heard === undefined ? Infinity : now - this.heard; }
  fresh(now) { return this.age(now) < old; }

  // A cut cable ends nothing by itself, and a refused stream stays closed.
  revive(now) {
    const silent = Math.min(this.age(now), now - this.opened) > old;
    const closed = this.source.readyState === EventSource.CLOSED && now - this.opened > 1000;
    if (silent || closed) this.open();
  }
}

// A screen on a wall shows its token in the place of a login, to both servers, and never where others could read it.
const wall = document.body.classList.contains("wall");
const token = wall && location.protocol === "https:" ? location.hash.slice(1) : "";
const path = `/events?lang=${document.documentElement.lang}${token ? `&device=${encodeURIComponent(token)}` : ""}`;
const streams = [new Stream(path)];
if (page.other) streams.push(new Stream(page.other + path.slice("/events".length)));
const start = performance.now();

// Of the servers that are heard, the one that knows the latest term is right, and
// then the one on duty.
function best() {
  const now = performance.now();
  const rank = ({ message: { site } }) => [site.term, Number(site.seat === site.owner)];
  return streams
    .filter((s) => s.message && s.fresh(now))
    .sort((a, b) => rank(b)[0] - rank(a)[0] || rank(b)[1] - rank(a)[1])[0];
}

function show() {
  const stream = best();
  if (!stream) return;
  const { message, parts } = stream;
  // Another version reloads only from the server that this page came from, or two
  // versions side by side would reload for ever.
  if (message.version !== page.version) {
    if (stream === streams[0]) location.reload();
    return;
  }
  document.title = message.title;
  document.documentElement.dataset.word = message.site.word;
  const seen = { ...parts, ...personal() };
  for (const [name, html] of Object.entries(seen)) put(`part-${name}`, html);
  speak();
}

// The server that this page came from knows who is logged in, and the other one shows him what anybody may see: as
// long as the first is heard, people and calls are shown as it shows them.
function personal() {
  const { parts, message } = streams[0];
  if (!page.person || !message || !streams[0].fresh(performance.now())) return {};
  return Object.fromEntries(["alarms", "calls", "events"].filter((name) => name in parts).map((name) => [name, parts[name]]));
}

function put(id, html) {
  const element = document.getElementById(id);
  if (element && element.shown !== html) {
    element.innerHTML = html;
    element.shown = html;
  }
}

// The word and its reason are spoken when they change, and nothing else is.
function speak() {
  const text = [...document.querySelectorAll("#part-word h1, #part-word .why")].map((e) => e.textContent).join(". ");
  const spoken = document.getElementById("spoken");
  if (spoken.textContent !== text) spoken.textContent = text;
}

function refresh() {
  const now = performance.now();
  const age = Math.min(...streams.map((s) => s.age(now)), now - start);
  const stale = age > old;
  const { now: justNow, ago, stale: noNews } = document.getElementById("fresh").dataset;
  const seconds = Math.round(age / 1000);
  const text = stale ? noNews : seconds < 1 ? justNow : ago;
  if (stale && !document.body.classList.contains("stale")) document.getElementById("spoken").textContent = noNews.replace("#", seconds);
  document.body.classList.toggle("stale", stale);
  document.getElementById("ago").textContent = text.replace("#", seconds);
}

setInterval(() => {
  const now = performance.now();
  for (const s of streams) s.revive(now);
  refresh();
  show();
  if (wall) listen();
}, 1000);

// On a wall an alarm is heard until somebody has it in hand, and so is a screen that has no news.
const every = { critical: 2, major: 5 }; // seconds between two sounds
const mutedFor = 15 * 60 * 1000;         // ms; nobody forgets a screen that is silent for ever
let audio, mutedUntil = 0, seconds = 0;

function sounds() {
  if (document.body.classList.contains("stale")) return "critical";
  return document.querySelector("#part-wall [data-sounds]")?.dataset.sounds ?? "";
}

function listen() {
  const { muted, blocked, mute, unmute } = document.getElementById("sound").dataset;
  const left = mutedUntil - performance.now();
  const silent = audio.state !== "running"; // the browser wants a gesture first
  const state = left > 0 ? muted.replace("#", Math.ceil(left / 60000)) : silent ? blocked : "";
  const shown = document.getElementById("sound-state");
  if (shown.textContent !== state) shown.textContent = state;
  document.getElementById("mute").textContent = left > 0 ? unmute : mute;
  seconds += 1;
  const severity = sounds();
  if (severity && left <= 0 && seconds % (every[severity] ?? 5) === 0) sound();
}

// Three tones, the last one higher: nothing else in a room sounds so.
function sound() {
  if (audio.state !== "running") audio.resume();
  [660, 660, 990].forEach((tone, i) => {
    const from = audio.currentTime + i * 0.22;
    const source = audio.createOscillator(), loud = audio.createGain();
    source.frequency.value = tone;
    loud.gain.setValueAtTime(0.35, from);
    loud.gain.exponentialRampToValueAtTime(0.001, from + 0.2);
    source.connect(loud).connect(audio.destination);
    source.start(from);
    source.stop(from + 0.2);
  });
  document.body.dataset.sounded = Number(document.body.dataset.sounded ?? 0) + (audio.state === "running" ? 1 : 0);
}

async function stayAwake() {
  if (document.visibilityState === "visible") await navigator.wakeLock?.request("screen").catch(() => {}); // refused on a battery that is low
}

if (wall) {
  audio = new AudioContext();
  document.getElementById("mute").addEventListener("click", () => {
    mutedUntil = mutedUntil > performance.now() ? 0 : performance.now() + mutedFor;
    listen();
  });
  document.getElementById("try").addEventListener("click", sound);
  document.addEventListener("click", () => audio.resume());
  document.addEventListener("visibilitychange", stayAwake);
  stayAwake();
}
