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

// A reload would overtake the answer to the page's own form.
let leaving = false;
addEventListener("submit", () => (leaving = true));

function update(changed) {
  if (changed.over) return leaving || location.reload();
  for (const [key, text] of Object.entries(changed)) show(key, text);
  if (changed.step) mark(Number(changed.step));
  if (changed.heading) document.title = changed.heading;
}

// The longer it fails, the rarer it is tried; never all pages of a site at the same time.
let pause = 2000;
function later(action) {
  setTimeout(action, pause * (1 + Math.random() / 2));
  pause = Math.min(pause * 2, 60000);
}

function listen() {
  const source = new EventSource("/.lightship/events");
  source.addEventListener("state", (event) => {
    pause = 2000;
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
  fetch("/", { method: "HEAD", redirect: "manual", cache: "no-store" }).then(
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
if (first("[data-live]") && !first("meta[http-equiv]")) listen();
for (const button of all("[data-copy]")) {
  button.hidden = false;
  button.addEventListener("click", () => copy(button, first("[data-command]")));
}
