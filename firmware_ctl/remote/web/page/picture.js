/** The picture of a profile: a lane for each zone, how strong over time, and where "now" is. */

import { make } from "./svg.js";
import { word, zoneWord } from "./words.js";

const WIDTH = 600;
const LANE = 30;
const GAP = 4;
const FOOT = 7;
/** A gentle profile looks gentle: its lanes are not stretched beyond this. */
const LEAST_SCALE_PCT = 75;

/** Draws `details` into `svg`, which keeps its picture while the profile stays the same. */
export function draw(svg, details, title) {
  const key = details ? `${details.name} ${details.cert} ${title}` : "";
  if (svg.dataset.key === key) return;
  svg.dataset.key = key;
  svg.setAttribute("aria-hidden", !(details && title));
  if (!details) {
    svg.replaceChildren();
    return;
  }
  const zones = Object.keys(details.zones).filter((zone) => peak(details.envelope[zone]) > 0);
  const height = zones.length * (LANE + GAP) + FOOT;
  svg.setAttribute("viewBox", `0 0 ${WIDTH} ${height}`);
  svg.setAttribute("preserveAspectRatio", "none");
  const x = (ms) => ((ms / details.length_ms) * WIDTH).toFixed(1);
  const most = Math.max(LEAST_SCALE_PCT, ...zones.map((zone) => peak(details.envelope[zone])));
  const lanes = zones.map((zone, row) => {
    const foot = row * (LANE + GAP) + LANE;
    const y = (level) => (foot - (level / most) * LANE).toFixed(1);
    return make("path", { d: stairs(details.envelope[zone], x, y) });
  });
  const clip = make("clipPath", { id: `${svg.id}-played` }, [
    make("rect", { x: 0, y: 0, width: 0, height, class: "played" }),
  ]);
  svg.replaceChildren(
    clip,
    ...details.phases.slice(1).map((phase) => {
      const at = x(phase.at_ms);
      return make("line", { x1: at, x2: at, y1: 0, y2: height - FOOT, class: "border" });
    }),
    make("g", { class: "ahead" }, lanes.map((path) => path.cloneNode())),
    make("g", { class: "past", "clip-path": `url(#${svg.id}-played)` }, lanes),
    ...details.phases.filter((phase) => phase.cue).map((phase) => {
      const begin = x(phase.at_ms);
      const width = Math.max(2, x(phase.until_ms) - begin - 1);
      return make("rect", { x: begin, y: height - 4, width, height: 4, rx: 2, class: "by-hand" });
    }),
    make("line", { x1: -9, x2: -9, y1: 0, y2: height, class: "cursor" }),
  );
  svg.setAttribute("aria-label", label(details, zones, title));
  svg.parentElement.querySelector("ul")?.replaceChildren(...zones.map(nameOf));
}

/** Puts the cursor at `atMs`, or takes it away: null. */
export function moveCursor(svg, details, atMs) {
  const cursor = svg.querySelector(".cursor");
  if (!cursor) return;
  const x = atMs === null ? -9 : Math.min(WIDTH - 1, (atMs / details.length_ms) * WIDTH).toFixed(1);
  cursor.setAttribute("x1", x);
  cursor.setAttribute("x2", x);
  svg.querySelector(".played").setAttribute("width", Math.max(0, x));
}

function nameOf(zone) {
  const item = document.createElement("li");
  item.textContent = zoneWord(zone);
  return item;
}

function peak(points = []) {
  return points.reduce((high, point) => Math.max(high, point[1]), 0);
}

/** A step function as a closed path: each level holds until the next point. */
function stairs(points, x, y) {
  return `M0 ${y(0)}${points.map(([ms, level]) => `H${x(ms)}V${y(level)}`).join("")}Z`;
}

function label(details, zones, title) {
  const peaks = zones.map((zone) =>
    word("picture.zone", { zone: zoneWord(zone), level: peak(details.envelope[zone]) }),
  );
  const phases = details.phases.map((phase) => phase.name).join(", ");
  return word("picture.label", { title, zones: peaks.join(", "), phases });
}
