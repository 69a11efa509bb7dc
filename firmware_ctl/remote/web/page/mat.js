/**
 * The mat as it lies, seen from above: the pillow on the left, so the person's left side is at the
 * top. It is a field of spikes, which grow where a motor runs.
 */

import { make } from "./svg.js";
import { word, zoneWord } from "./words.js";

/** As in the viewBox of the drawing. */
const VIEW = { x: 5, width: 390 };
const MIDDLE = 95;
const PILLOW = { x: 6, y: 38, width: 80, height: 114, rx: 30 };
const MAT = { x: 98, y: 6, width: 296, height: 178, rx: 30 };
const PITCH = 12.5;
const REST_RADIUS = 1.7;
const FULL_RADIUS = 5.2;
const REACH = 22;
const FIRST_ROW = 168;
const LAST_ROW = 330;
const PILLOW_ZONE = "neck";
const HALF_WIDTH = { neck: 24, hips: 58 };
const OTHER_HALF_WIDTH = 34;

export class Mat {
  #svg = document.getElementById("drawing");
  #labels = document.getElementById("zones");
  #key = "";
  #spots = [];
  #spikes = [];
  #figures = new Map();

  /** Draws what each motor does. `levels`: motor's name → 0 to 100; empty if nothing is known. */
  render(mat, zones, levels) {
    this.#build(mat);
    const strengths = this.#spots.map((spot) => (levels[spot.name] ?? 0) / 100);
    for (const spike of this.#spikes) {
      let sum = 0;
      for (const [index, share] of spike.near) sum += share * strengths[index];
      const radius = REST_RADIUS + (FULL_RADIUS - REST_RADIUS) * Math.min(1, Math.sqrt(sum));
      const text = radius.toFixed(1);
      if (text === spike.text) continue;
      spike.text = text;
      spike.element.setAttribute("r", text);
      spike.element.classList.toggle("on", sum > 0.02);
    }
    const spoken = [];
    for (const [name, figure] of this.#figures) {
      const text = zones ? word("mat.figure", { level: zones[name] ?? 0 }) : "–";
      if (figure.textContent !== text) figure.textContent = text;
      figure.parentElement.classList.toggle("on", (zones?.[name] ?? 0) > 0);
      spoken.push(`${zoneWord(name)} ${text}`);
    }
    this.#svg.setAttribute("aria-label", word("mat.label", { zones: spoken.join(", ") }));
  }

  #build(mat) {
    const key = JSON.stringify(mat.zones);
    if (key === this.#key) return;
    this.#key = key;
    const centres = this.#place(mat.zones);
    const pillow = mat.zones.find((zone) => zone.name === PILLOW_ZONE);
    const shapes = [make("rect", { ...MAT, class: "cloth" })];
    if (pillow) {
      const kind = pillow.present ? "cloth" : "cloth absent";
      shapes.unshift(make("rect", { ...PILLOW, class: kind }));
    }
    this.#spikes = spikesIn(MAT, this.#spots);
    if (pillow?.present) this.#spikes.push(...spikesIn(PILLOW, this.#spots));
    this.#svg.replaceChildren(
      ...shapes,
      make("text", { x: 8, y: 20 }, [word("mat.left")]),
      make("text", { x: 8, y: 180 }, [word("mat.right")]),
      ...this.#spikes.map((spike) => spike.element),
    );
    this.#figures.clear();
    this.#labels.replaceChildren(...mat.zones.map((zone) => this.#label(zone, centres[zone.name])));
  }

  #label(zone, centre) {
    const item = document.createElement("li");
    const figure = document.createElement("b");
    const name = document.createElement("span");
    name.textContent = zoneWord(zone.name);
    if (zone.present) this.#figures.set(zone.name, figure);
    else figure.textContent = word("mat.absent");
    item.append(name, " ", figure);
    item.style.left = `${(centre - VIEW.x) / (VIEW.width / 100)}%`;
    return item;
  }

  /** Places the motors. Returns the middle of each zone, along the mat. */
  #place(zones) {
    this.#spots = [];
    const centres = {};
    const body = zones.filter((zone) => zone.name !== PILLOW_ZONE);
    const steps = body.reduce((sum, zone) => sum + rowsOf(zone) - 1, 0) + 1.5 * (body.length - 1);
    const step = steps ? (LAST_ROW - FIRST_ROW) / steps : 0;
    let x = steps ? FIRST_ROW : (FIRST_ROW + LAST_ROW) / 2;
    for (const zone of zones) {
      const onPillow = zone.name === PILLOW_ZONE;
      const first = onPillow ? PILLOW.x + PILLOW.width / 2 : x;
      const count = rowsOf(zone);
      const gap = onPillow ? (count > 1 ? 40 / (count - 1) : 0) : step;
      const begin = onPillow && count > 1 ? first - 20 : first;
      const seen = { left: 0, right: 0 };
      for (const motor of zone.motors) {
        const out = HALF_WIDTH[zone.name] ?? OTHER_HALF_WIDTH;
        const y = MIDDLE + (motor.side === "left" ? -out : out);
        const row = seen[motor.side]++;
        if (zone.present) this.#spots.push({ name: motor.name, x: begin + row * gap, y });
      }
      centres[zone.name] = begin + ((count - 1) * gap) / 2;
      if (!onPillow) x += (count - 1 + 1.5) * step;
    }
    return centres;
  }
}

function rowsOf(zone) {
  const left = zone.motors.filter((motor) => motor.side === "left").length;
  return Math.max(left, zone.motors.length - left);
}

/** The spikes of a cloth: a grid whose every second row is shifted, inside the rounded corners. */
function spikesIn(cloth, spots) {
  const spikes = [];
  const rows = Math.floor((cloth.height - 16) / (PITCH * 0.87));
  for (let row = 0; row <= rows; row += 1) {
    const y = cloth.y + cloth.height / 2 + (row - rows / 2) * PITCH * 0.87;
    const columns = Math.floor((cloth.width - 16) / PITCH) - (row % 2);
    for (let column = 0; column <= columns; column += 1) {
      const x = cloth.x + cloth.width / 2 + (column - columns / 2) * PITCH;
      if (!isInside(cloth, x, y)) continue;
      const near = [];
      spots.forEach((spot, index) => {
        const share = Math.exp(-((spot.x - x) ** 2 + (spot.y - y) ** 2) / (2 * REACH * REACH * 0.55));
        if (share > 0.03) near.push([index, share]);
      });
      const element = make("circle", { cx: x.toFixed(1), cy: y.toFixed(1), r: REST_RADIUS });
      spikes.push({ element, near, text: "" });
    }
  }
  return spikes;
}

function isInside(cloth, x, y) {
  const inset = 7;
  const radius = cloth.rx - inset;
  const dx = Math.max(0, Math.abs(x - cloth.x - cloth.width / 2) - (cloth.width / 2 - cloth.rx));
  const dy = Math.max(0, Math.abs(y - cloth.y - cloth.height / 2) - (cloth.height / 2 - cloth.rx));
  return dx * dx + dy * dy <= radius * radius;
}
