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
if (own && search) history.replaceState(null, "", location.pathname);

// A reload would overtake the answer to the page's own form.
let leaving = false;
addEventListener("submit", () => (leaving = true));

function leave() {
  if (leaving) return;
  if (own) location.replace("/" + search);
  else location.reload();
}

function update(changed) {
  if (changed.over) return leave();
  for (const [key, text] of Object.entries(changed)) show(key, text);
  if (changed.step) mark(Number(changed.step));
  title();
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
    update(JSON.parse(event.data));
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
