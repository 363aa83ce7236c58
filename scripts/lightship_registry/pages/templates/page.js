"use strict";
// Texts go into the page as text, never as markup.
const all = (selector) => document.querySelectorAll(selector);
const first = (selector) => document.querySelector(selector);

// A moment in the reader's own time zone and habits; the day only when it is not today.
function say(time) {
  const when = new Date(time.dateTime);
  if (isNaN(when)) return;
  const clock = { hour: "numeric", minute: "2-digit" };
  const day = when.toDateString() === new Date().toDateString() ? {} : { day: "numeric", month: "long" };
  time.textContent = new Intl.DateTimeFormat(undefined, { ...day, ...clock }).format(when);
}

function show(key, text) {
  for (const place of all(`[data-live="${key}"]`)) {
    if (place.localName === "time") {
      place.dateTime = text;
      say(place);
    } else if (place.localName === "progress") {
      place.value = text;
    } else {
      place.textContent = text;
    }
  }
  for (const row of all(`[data-row="${key}"]`)) row.hidden = !text;
}

function mark(step) {
  all(".steps li").forEach((item, index) => {
    item.className = index + 1 < step ? "done" : index + 1 === step ? "now" : "next";
    if (index + 1 === step) item.setAttribute("aria-current", "step");
    else item.removeAttribute("aria-current");
  });
}

// The heading with its time as the reader reads it.
const title = () => (document.title = first("h1:not([hidden])").innerText);

// A path that is the registry's even while a notebook runs; at every other one the notebook takes over.
const own = location.pathname.startsWith("/.lightship/");
// There the token leaves the address: what runs at the same one could read it in the browser's history. A cookie has it.
const search = location.search;
if (own && search) history.replaceState(history.state, "", location.pathname);

// A reload would overtake the answer to the page's own form.
let leaving = false;
addEventListener("submit", () => (leaving = true));

// With the token in the address the notebook lets its owner in; without it, the cookie does, at a path of the registry's.
function leave(over) {
  if (leaving) return;
  // What comes next at this address is another page's, and none of ours to remember anything for.
  history.replaceState(null, "");
  if (over === "ready" && !search.includes("token=")) {
    const next = own ? "" : "?next=" + encodeURIComponent(location.pathname + search);
    location.replace("/.lightship/enter" + next + location.hash);
  } else if (own) location.replace("/" + search);
  else location.reload();
}

// A page that the reader does not see would take its notification along: it says what it has to say, and waits.
function ready(text) {
  show("heading", text);
  show("status", "");
  title();
  notify(text);
  if (document.hidden && noticed) document.addEventListener("visibilitychange", () => leave("ready"), { once: true });
  else leave("ready");
}

function update(changed) {
  if (changed.over === "ready") return ready(first("[data-ready]")?.dataset.ready ?? "");
  if (changed.over) return leave(changed.over);
  for (const [key, text] of Object.entries(changed)) show(key, text);
  if (changed.step) mark(Number(changed.step));
  title();
  if (changed.ending && !warned) notify(document.title);
  if ("ending" in changed) warned = Boolean(changed.ending);
}

// Notifications: asked for by the reader's click, remembered where the tab reloads, and sent while this page is open.
const bell = first("[data-notify]");
const kept = "lightship-notify";
let noticed = false;
let warned = Boolean(first('[data-row="ending"]:not([hidden])'));

function notify(text) {
  if (!noticed) return;
  try {
    const note = new Notification(text, { body: location.host.split(".")[0], tag: kept });
    note.onclick = () => {
      focus();
      note.close();
    };
  } catch {
    noticed = false; // a phone's browser, which lets a page ask and not send
  }
}

function promise(granted) {
  noticed = granted;
  bell.querySelector("button").hidden = granted;
  bell.querySelector("p").textContent = granted ? bell.dataset.notify : "Your browser does not allow notifications from this page.";
  if (granted) history.replaceState(kept, "");
}

if (bell && "Notification" in window) {
  bell.hidden = false;
  if (Notification.permission === "granted" && history.state === kept) promise(true);
  bell.querySelector("button").addEventListener("click", () =>
    Notification.requestPermission().then((answer) => promise(answer === "granted")),
  );
}

// What this page listens to, if it does. Nobody waits for a notebook that runs already.
const events = first("[data-listen]")?.dataset.listen;
const soon = events === "/.lightship/running" ? 20000 : 2000;

// The longer it fails, the rarer it is tried; never all pages of a site at the same time.
let pause = soon;
function later(action) {
  setTimeout(action, pause * (1 + Math.random() / 2));
  pause = Math.min(pause * 2, 60000);
}

function listen() {
  const source = new EventSource(events);
  source.addEventListener("state", (event) => {
    pause = soon;
    const changed = JSON.parse(event.data);
    if (changed.over) source.close();
    update(changed);
  });
  source.onerror = () => {
    const refused = source.readyState === EventSource.CLOSED;
    source.close();
    later(refused ? look : listen);
  };
}

// Refused: the notebook has taken over this address, too many listen, or the registry restarts. Reload unless it does.
function look() {
  fetch(own ? "/.lightship/" : "/", { method: "HEAD", redirect: "manual", cache: "no-store" }).then(
    (answer) => ([500, 502, 504].includes(answer.status) ? later(listen) : location.reload()),
    () => later(listen),
  );
}

function copy(button, command) {
  const selection = getSelection();
  selection.selectAllChildren(command);
  navigator.clipboard.writeText(command.textContent).then(
    () => {
      button.textContent = "Copied";
      first("[data-copied]").textContent = "The command was copied.";
    },
    () => command.parentElement.focus(),
  );
}

all("time").forEach(say);
title();
// Whoever came with the token in the address goes on with it.
for (const link of all("[data-open]")) link.search = search;
if (events && !first("meta[http-equiv]")) listen();
for (const button of all("[data-copy]")) {
  button.hidden = false;
  button.addEventListener("click", () => copy(button, first("[data-command]")));
}
