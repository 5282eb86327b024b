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

const path = `/events?lang=${document.documentElement.lang}`;
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
}, 1000);
