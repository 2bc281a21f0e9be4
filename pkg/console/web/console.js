// What the pages do by themselves. Without it they ask for one more click.
"use strict";

// A page taken from the back-forward cache may belong to somebody who has signed out since.
window.addEventListener("pageshow", (event) => {
  if (event.persisted) window.location.reload();
});

document.addEventListener("DOMContentLoaded", () => {
  for (const form of document.querySelectorAll("form[data-submit]")) form.requestSubmit();
});
