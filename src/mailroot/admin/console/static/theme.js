// Runs before the page is drawn, so that the chosen colours are there from the first picture on.
"use strict";
(() => {
  let chosen = null;
  try { chosen = localStorage.getItem("mailroot-theme"); } catch { /* no storage: the system's colours */ }
  if (chosen === "light" || chosen === "dark") document.documentElement.dataset.theme = chosen;
  document.documentElement.dataset.script = "on";
})();
