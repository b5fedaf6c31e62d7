// Draws the pictures: fetches their series every ten seconds while somebody looks, and says in words what is drawn.
"use strict";

const charts = new Map();
const COLOURS = {
  light: ["#0b5cad", "#b3541e", "#17683a", "#7a2d8f", "#8a6100", "#a01e4a", "#2c6e7f", "#555f6b"],
  dark: ["#7db9f5", "#f2a56d", "#7fd6a2", "#d7a1ea", "#f2c66d", "#f59ab8", "#86d3e4", "#b6c0ca"],
};
// How uPlot writes times below a picture: the shape of all times of the console, the day where it begins.
const DAY = "{YYYY}-{MM}-{DD}";
const TIMES = [
  [86400, DAY, null, null, null, null, null, null, 1],
  [60, "{HH}:{mm}", `\n${DAY}`, null, `\n${DAY}`, null, null, null, 1],
  [1, "{HH}:{mm}:{ss}", `\n${DAY}`, null, `\n${DAY}`, null, null, null, 1],
];
const DASHES = [[], [8, 4], [2, 3], [12, 3, 3, 3]];

const isDark = () => (document.documentElement.dataset.theme
  || (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light")) === "dark";
const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

function amount(value, unit) {
  if (value === null || value === undefined) return "–";
  const digits = Math.abs(value) >= 100 ? 0 : Math.abs(value) >= 1 ? 1 : 3;
  return `${value.toLocaleString("en", { maximumFractionDigits: digits })} ${unit}`;
}

function options(told, width) {
  const colours = COLOURS[isDark() ? "dark" : "light"];
  const axis = { stroke: colour("--quiet"), grid: { stroke: colour("--line"), width: 1 }, ticks: { stroke: colour("--line") } };
  const unit = told.series[0]?.unit || "";
  const lines = told.series.map((series, place) => ({
    label: series.name,
    stroke: colours[place % colours.length],
    dash: DASHES[Math.floor(place / colours.length) % DASHES.length],
    width: 2,
    points: { show: series.values.filter((value) => value !== null).length < 3 },
    value: (_, value) => amount(value, series.unit),
  }));
  return {
    width,
    height: 240,
    series: [{ value: (_, time) => (time ? localText(new Date(time * 1000)) : "–") }, ...lines],
    axes: [{ ...axis, values: TIMES, space: 90 }, { ...axis, size: 64, values: (_, values) => values.map((value) => amount(value, unit === "seconds" ? "s" : "")) }],
    scales: { y: { range: (_, least, most) => [0, Math.max(most * 1.1, least < 0 ? 1 : 0.1)] } },
    cursor: { drag: { x: true, y: false } },
  };
}

function words(told) {
  return told.series.map((series) => {
    const known = series.values.filter((value) => value !== null);
    const most = Math.max(...(series.most || series.values).filter((value) => value !== null));
    return `${series.name}: ${amount(known[known.length - 1], series.unit)} now, ${amount(most, series.unit)} at most`;
  }).join("; ");
}

function draw(name, told) {
  const place = document.querySelector(`[data-picture="${name}"]`);
  const said = document.querySelector(`[data-words="${name}"]`);
  charts.get(name)?.chart?.destroy();
  charts.set(name, { told });
  const drawn = !told.error && told.series.some((series) => series.values.some((value) => value !== null && value !== 0));
  place.hidden = !drawn;
  if (!drawn) { said.textContent = told.error || place.dataset.nothing; return; }
  const rows = told.series.filter((series) => series.values.some((value) => value !== null));
  const shown = { ...told, series: rows };
  const chart = new uPlot(options(shown, place.clientWidth), [told.times, ...rows.map((series) => series.values)], place);
  charts.set(name, { told, chart });
  said.textContent = words(shown);
}

async function look() {
  const state = document.querySelector("#picture-state");
  if (!document.hidden) {
    try {
      const answer = await fetch(document.querySelector("#pictures").dataset.source,
        { headers: { "X-Live": "1" }, signal: AbortSignal.timeout(20000) });
      if (answer.status === 401) { location.reload(); return; }
      if (!answer.ok) throw new Error(String(answer.status));
      for (const [name, told] of Object.entries(await answer.json())) draw(name, told);
      state.textContent = "live";
    } catch { state.textContent = "no answer from the service; trying again"; }
  }
  setTimeout(look, 10000);
}

document.addEventListener("DOMContentLoaded", () => {
  const again = () => { for (const [name, { told }] of charts) draw(name, told); };
  let waiting = 0;
  addEventListener("resize", () => { clearTimeout(waiting); waiting = setTimeout(again, 150); });
  document.addEventListener("theme", again);
  look();
});
