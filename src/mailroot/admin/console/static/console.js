// What the pages do in the browser. Every page works without it; it adds the tree's keys, tabs, live lists, local times,
// the choice of colours, and dialogs that ask before something is lost.
"use strict";

const all = (selector, root = document) => [...root.querySelectorAll(selector)];
const one = (selector, root = document) => root.querySelector(selector);

// -- times, in the zone of who reads them, in the same shape that the server wrote, so nothing moves

const two = (number) => String(number).padStart(2, "0");

function localText(moment) {
  return `${moment.getFullYear()}-${two(moment.getMonth() + 1)}-${two(moment.getDate())} `
    + `${two(moment.getHours())}:${two(moment.getMinutes())}:${two(moment.getSeconds())}`;
}

function localTimes(root) {
  for (const time of all("time[datetime]", root)) {
    const moment = new Date(time.dateTime);
    if (Number.isNaN(moment.getTime())) continue;
    time.title = `${moment.toISOString().slice(0, 19).replace("T", " ")} UTC`;
    time.textContent = localText(moment);
  }
}

// -- colours

function theme() {
  const button = one("#theme");
  if (!button) return;
  const dark = () => (document.documentElement.dataset.theme
    || (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light")) === "dark";
  const tell = () => { button.textContent = dark() ? "Light" : "Dark"; };
  button.hidden = false;
  tell();
  button.addEventListener("click", () => {
    document.documentElement.dataset.theme = dark() ? "light" : "dark";
    try { localStorage.setItem("mailroot-theme", document.documentElement.dataset.theme); } catch { /* for this page only */ }
    tell();
    document.dispatchEvent(new Event("theme"));
  });
}

// -- the tree: arrow keys, Home and End, one stop for the tab key (ARIA Authoring Practices, navigation treeview)

function tree() {
  const root = one("[role=tree]");
  if (!root) return;
  const closed = new Set((() => { try { return JSON.parse(sessionStorage.getItem("closed") || "[]"); } catch { return []; } })());
  const items = () => all("[role=treeitem]", root);
  const seen = () => items().filter((item) => !item.parentElement.parentElement.closest("ul")?.previousElementSibling
    ?.matches?.("[aria-expanded=false]") && item.offsetParent !== null);
  const expand = (item, open) => {
    item.setAttribute("aria-expanded", String(open));
    if (open) closed.delete(item.pathname); else closed.add(item.pathname);
    try { sessionStorage.setItem("closed", JSON.stringify([...closed])); } catch { /* remembered on this page only */ }
  };
  const current = () => one("[aria-current=page]", root) || items()[0];
  for (const item of items()) {
    item.tabIndex = -1;
    if (item.hasAttribute("aria-expanded") && closed.has(item.pathname)
        && !item.parentElement.contains(current())) item.setAttribute("aria-expanded", "false");
  }
  if (current()) current().tabIndex = 0;
  const go = (item) => {
    if (!item) return;
    for (const other of items()) other.tabIndex = -1;
    item.tabIndex = 0;
    item.focus();
  };
  root.addEventListener("click", (event) => {
    const twist = event.target.closest(".twist");
    if (!twist) return;
    event.preventDefault();
    const item = twist.closest("[role=treeitem]");
    expand(item, item.getAttribute("aria-expanded") === "false");
  });
  root.addEventListener("keydown", (event) => {
    const item = event.target.closest("[role=treeitem]");
    if (!item || event.ctrlKey || event.altKey || event.metaKey) return;
    const list = seen();
    const at = list.indexOf(item);
    const parent = item.parentElement.parentElement.previousElementSibling;
    const open = item.getAttribute("aria-expanded");
    const moves = {
      ArrowDown: () => go(list[at + 1]),
      ArrowUp: () => go(list[at - 1]),
      Home: () => go(list[0]),
      End: () => go(list[list.length - 1]),
      ArrowRight: () => { if (open === "false") expand(item, true); else if (open === "true") go(list[at + 1]); },
      ArrowLeft: () => { if (open === "true") expand(item, false); else if (parent?.matches("[role=treeitem]")) go(parent); },
    };
    if (moves[event.key]) { event.preventDefault(); moves[event.key](); return; }
    if (event.key === " ") { event.preventDefault(); item.click(); return; }
    if (event.key.length === 1) {
      const key = event.key.toLowerCase();
      go([...list.slice(at + 1), ...list.slice(0, at)].find((other) => other.textContent.trim().toLowerCase().startsWith(key)));
    }
  });
}

// -- tabs of a property sheet: all are one form, and without this script all are shown

function tabs() {
  for (const list of all("[role=tablist]")) {
    const buttons = all("[role=tab]", list);
    const choose = (button, focus) => {
      for (const other of buttons) {
        const on = other === button;
        other.setAttribute("aria-selected", String(on));
        other.tabIndex = on ? 0 : -1;
        one(`#${other.getAttribute("aria-controls")}`).hidden = !on;
      }
      const place = one("#tab-chosen");
      if (place) place.value = button.id;
      if (focus) button.focus();
    };
    list.addEventListener("click", (event) => { const button = event.target.closest("[role=tab]"); if (button) choose(button); });
    list.addEventListener("keydown", (event) => {
      const at = buttons.indexOf(event.target);
      const to = { ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: buttons.length - 1 }[event.key];
      if (at < 0 || to === undefined) return;
      event.preventDefault();
      choose(buttons[(to + buttons.length) % buttons.length], true);
    });
    list.hidden = false;
    const named = buttons.find((button) => button.id === location.hash.slice(1) || button.id === one("#tab-chosen")?.value);
    choose(named || buttons[0]);
    // A link of the summary of problems leads to a field on another tab.
    document.addEventListener("click", (event) => {
      const link = event.target.closest("a[data-field]");
      const field = link && document.getElementById(link.hash.slice(1));
      if (!field) return;
      event.preventDefault();
      const panel = field.closest("[role=tabpanel]");
      if (panel) choose(buttons.find((button) => button.getAttribute("aria-controls") === panel.id));
      field.focus();
      field.scrollIntoView({ block: "center" });
    });
  }
}

// -- lists that are live: every two seconds while somebody looks; what was chosen and where the focus is stay

const EVERY = 2000;

function merge(old, fresh) {
  if (old.dataset.rows !== undefined && fresh.dataset.rows !== undefined) { mergeRows(old, fresh); return; }
  if (old.contains(document.activeElement) && document.activeElement !== old) return;
  if (old.dataset.was !== fresh.innerHTML) { old.dataset.was = fresh.innerHTML; old.innerHTML = fresh.innerHTML; localTimes(old); }
}

function mergeRows(old, fresh) {
  const rows = new Map(all(":scope > [data-key]", old).map((row) => [row.dataset.key, row]));
  let before = null;
  for (const row of all(":scope > [data-key]", fresh)) {
    const known = rows.get(row.dataset.key);
    rows.delete(row.dataset.key);
    const placed = known || row;
    if (known) mergeCells(known, row); else localTimes(row);
    const wanted = before ? before.nextElementSibling : old.firstElementChild;
    if (placed !== wanted) { if (before) before.after(placed); else old.prepend(placed); }
    before = placed;
  }
  const focused = document.activeElement;
  for (const [, row] of rows) {
    const next = row.contains(focused) && (row.nextElementSibling || row.previousElementSibling);
    row.remove();
    if (next) (one("input, a, button", next) || one("main")).focus();
  }
}

function mergeCells(old, fresh) {
  [...old.children].forEach((cell, place) => {
    const other = fresh.children[place];
    if (!other || cell.dataset.keep !== undefined || cell.contains(document.activeElement)) return;
    if (cell.dataset.was === undefined) cell.dataset.was = other.innerHTML;
    else if (cell.dataset.was === other.innerHTML) return;
    cell.dataset.was = other.innerHTML;
    cell.innerHTML = other.innerHTML;
    localTimes(cell);
  });
}

function live() {
  const status = one("#live");
  if (!status) return;
  let timer = 0;
  let paused = false;
  const say = (text) => { if (status.textContent !== text) status.textContent = text; };
  const look = async () => {
    clearTimeout(timer);
    if (document.hidden || paused) { say(paused ? "paused" : "waiting"); return; }
    try {
      const answer = await fetch(location.href, { headers: { "X-Live": "1" }, signal: AbortSignal.timeout(10000) });
      if (answer.redirected || answer.status === 401) { location.reload(); return; }
      if (!answer.ok) throw new Error(String(answer.status));
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      for (const part of all("[data-live]")) {
        const fresh = page.getElementById(part.id);
        if (fresh) merge(part, fresh);
      }
      chosen();
      document.dispatchEvent(new Event("live"));
      say("live");
    } catch { say("no answer from the service; trying again"); }
    timer = setTimeout(look, EVERY);
  };
  document.addEventListener("visibilitychange", look);
  one("#pause")?.addEventListener("click", (event) => {
    paused = !paused;
    event.currentTarget.setAttribute("aria-pressed", String(paused));
    look();
  });
  timer = setTimeout(look, EVERY);
}

// -- what is chosen in a list

function chosen() {
  const boxes = all("tbody input[type=checkbox][name=key]");
  const count = boxes.filter((box) => box.checked).length;
  for (const box of boxes) box.closest("tr").classList.toggle("chosen", box.checked);
  const every = one("#every")?.checked;
  for (const button of all("[data-needs-choice]")) button.disabled = !count && !every;
  const word = one("#chosen");
  if (word) word.textContent = every ? "all chosen" : count ? `${count} chosen` : "none chosen";
  const whole = one("#choose-all");
  if (whole) { whole.checked = count > 0 && count === boxes.length; whole.indeterminate = count > 0 && count < boxes.length; }
}

function choosing() {
  document.addEventListener("change", (event) => {
    if (event.target.id === "choose-all") for (const box of all("tbody input[type=checkbox][name=key]")) box.checked = event.target.checked;
    chosen();
  });
  chosen();
}

// -- dialogs: a button with data-ask is pressed only after a yes; the focus returns to it

function asking() {
  const dialog = one("#ask");
  if (!dialog?.showModal) return;
  let button = null;
  document.addEventListener("click", (event) => {
    const asked = event.target.closest("button[data-ask]");
    if (!asked || asked.dataset.sure) return;
    event.preventDefault();
    button = asked;
    one("#ask-text").textContent = asked.dataset.ask.replace("{chosen}",
      one("#every")?.checked ? "all" : String(all("tbody input[name=key]:checked").length));
    one("#ask-yes").textContent = asked.dataset.yes || asked.textContent;
    dialog.returnValue = "";
    dialog.showModal();
  });
  dialog.addEventListener("close", () => {
    button.focus();
    if (dialog.returnValue !== "yes") return;
    button.dataset.sure = "1";
    button.click();
    delete button.dataset.sure;
  });
}

// -- a form is not sent twice, and not left with changes in it unasked

function forms() {
  let changed = false;
  for (const form of all("form[data-guard]")) form.addEventListener("input", () => { changed = true; });
  addEventListener("submit", (event) => {
    changed = false;
    for (const button of all("button:not([name])", event.target)) setTimeout(() => { button.disabled = true; }, 0);
  });
  addEventListener("pageshow", () => { for (const button of all("form button:not([data-needs-choice]):not([data-off])")) button.disabled = false; chosen(); });
  addEventListener("beforeunload", (event) => { if (changed) event.preventDefault(); });
  const summary = one("#problems");
  if (summary) summary.focus();
}

// On narrow screens the tree is behind a button.
function menu() {
  const button = one("#menu");
  button?.addEventListener("click", () => {
    button.setAttribute("aria-expanded", String(button.getAttribute("aria-expanded") === "false"));
  });
}

document.addEventListener("DOMContentLoaded", () => {
  localTimes(document);
  theme();
  menu();
  tree();
  tabs();
  live();
  choosing();
  asking();
  forms();
});
