/** What plays now: the phase, the cue, the time left, the picture with its cursor, pause. */

import { isSession } from "./connection.js";
import { phaseAt } from "./levels.js";
import { draw, moveCursor } from "./picture.js";
import { clock, find, word } from "./words.js";

const UNKNOWN_TIME = "–:––";

const byId = (id) => document.getElementById(id);
const picture = byId("session-picture");
const pause = byId("pause");

export class Now {
  #state = null;

  constructor(request) {
    pause.addEventListener("click", () => {
      request({ do: this.#state?.state === "paused" ? "resume" : "pause" });
    });
  }

  /** Shows what changes only with a state. */
  render(state, details, canCommand) {
    this.#state = state;
    const plays = isSession(state);
    for (const element of [byId("now"), byId("session"), pause]) element.hidden = !plays;
    byId("allowance").hidden = plays;
    renderCue(plays ? state.cue : null);
    if (!plays) return;
    const profile = state.profiles.find((one) => one.name === state.profile);
    const title = profile?.title ?? state.profile;
    byId("session-title").textContent = title;
    byId("phase").textContent = state.phase ?? title;
    byId("session-by").textContent = state.by ? word("now.started", { by: byWord(state.by) }) : "";
    pause.textContent = word(state.state === "paused" ? "now.resume" : "now.pause");
    pause.disabled = !canCommand;
    draw(picture, details, title);
  }

  /** Shows the time: `t` seconds are played and `left` remain. null: nobody knows. */
  tick(details, t, left) {
    byId("left-time").textContent = left === null ? UNKNOWN_TIME : clock(left);
    if (!details) {
      byId("phase-left").textContent = "";
      return;
    }
    moveCursor(picture, details, t === null ? null : t * 1000);
    byId("phase-left").textContent = t === null ? "" : phaseWords(details, t * 1000);
  }
}

function renderCue(cue) {
  byId("cue").hidden = !cue;
  if (!cue) return;
  byId("cue-text").textContent = cueText(cue);
  byId("cue-warning").textContent = cueWarning(cue);
}

/** What the person does now, in the reader's language if the page knows the point. */
export function cueText(cue) {
  return find(`cues.${cue.name}.text`) ?? cue.text;
}

/** What the person should know before, or "". */
export function cueWarning(cue) {
  return (cue.warning && find(`cues.${cue.name}.warning`)) || (cue.warning ?? "");
}

/** Who asked, in words. */
export function byWord(by) {
  return find(`by.${by}`) ?? by;
}

function phaseWords(details, atMs) {
  const index = phaseAt(details, atMs);
  const phase = details.phases[index];
  if (!phase) return "";
  const left = clock((phase.until_ms - atMs) / 1000);
  const next = details.phases[index + 1];
  return next
    ? word("now.phase_next", { left, next: next.name })
    : word("now.phase_last", { left });
}
