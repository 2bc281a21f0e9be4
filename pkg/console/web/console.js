// What the pages do by themselves. Without it they ask for one more click.
"use strict";

// A page taken from the back-forward cache may belong to somebody who has signed out since.
window.addEventListener("pageshow", (event) => {
  if (event.persisted) window.location.reload();
});

document.addEventListener("DOMContentLoaded", () => {
  for (const form of document.querySelectorAll("form[data-submit]")) form.requestSubmit();
  for (const box of document.querySelectorAll("[data-events]")) listen(box);
});

// listen has the timeline asked for anew whenever the server tells of a change, until there is none to come.
function listen(box) {
  const source = new EventSource(box.dataset.events);
  source.addEventListener("status", (event) => {
    const { status } = JSON.parse(event.data);
    if (status === "ready" || status === "error") source.close();
    const timeline = box.querySelector(".timeline-box");
    if (timeline) htmx.trigger(timeline, "told");
  });
}
