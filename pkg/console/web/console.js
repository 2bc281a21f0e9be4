// Behaviour of the pages. Without JavaScript they need one more click.
"use strict";

// A page from the back-forward cache may belong to a user who has signed out since.
window.addEventListener("pageshow", (event) => {
  if (event.persisted) window.location.reload();
});

document.addEventListener("DOMContentLoaded", () => {
  for (const form of document.querySelectorAll("form[data-submit]")) form.requestSubmit();
  for (const box of document.querySelectorAll("[data-events]")) listen(box);
});

// listen reloads the timeline at each event of the server, until the setup has ended.
function listen(box) {
  const source = new EventSource(box.dataset.events);
  source.addEventListener("status", (event) => {
    const { status } = JSON.parse(event.data);
    if (status === "ready" || status === "error") source.close();
    const timeline = box.querySelector(".timeline-box");
    if (timeline) htmx.trigger(timeline, "refresh");
  });
}
