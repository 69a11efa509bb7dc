/** Puts the page together: each state from the bridge is passed to the parts that show it. */

import { Connection, isSession } from "./connection.js";
import { Details } from "./details.js";
import { endHolds } from "./hold.js";
import { motorLevels } from "./levels.js";
import { Mat } from "./mat.js";
import { Now, byWord, cueText, cueWarning } from "./now.js";
import { Pairing } from "./pairing.js";
import { Profiles } from "./profiles.js";
import * as stop from "./stop.js";
import { Strength } from "./strength.js";
import { renderTroubles, stopWord, eventWords } from "./troubles.js";
import { load, word } from "./words.js";

const DRAW_EVERY_MS = matchMedia("(prefers-reduced-motion: reduce)").matches ? 1000 : 66;

const PAIRED_ONLY = ["mat", "what"];

await load();
const byId = (id) => document.getElementById(id);
const root = document.documentElement;
const mat = new Mat();
const details = new Details(() => render(false));
const connection = new Connection(render);
const request = (frame) => connection.send(frame);
const now = new Now(request);
const profiles = new Profiles(request);
const strength = new Strength(request);
const pairing = new Pairing(() => connection.renew());

stop.onPress(() => connection.sendStop());
stop.onPress(endHolds);
stop.onAnswer(() => {
  byId("stop-answer").textContent = stopWord(stop.answer, connection);
  if (stop.answer === "asked") connection.again();
  if (stop.answer === "stopped" || stop.answer === "unanswered") speak();
});
byId("clear").addEventListener("click", () => request({ do: "clear" }));
setInterval(() => {
  if (!document.hidden && connection.state?.state === "running") tick();
}, DRAW_EVERY_MS);

/** Shows the last state again, or a new one. */
function render(isNew) {
  const { state, link } = connection;
  const isLive = link === "live";
  // A start that is still held when something plays, or when the mat is lost, is not wanted any more.
  if (!isLive || state.state !== "idle") endHolds();
  if (isNew && isLive && (state.state === "idle" || state.state === "fault")) stop.confirm();
  root.dataset.link = link;
  root.dataset.state = state?.state ?? "none";
  root.dataset.paired = state ? state.paired : "unknown";
  byId("state").textContent = word(`state.${isLive ? (state.state ?? "unknown") : link}`);
  byId("stop-answer").textContent = stopWord(stop.answer, connection);
  renderTroubles(connection);
  if (!state) return;
  pairing.render(state);
  for (const id of PAIRED_ONLY) byId(id).hidden = !state.paired;
  if (!state.paired) return;
  const canCommand = isLive && state.may_command;
  document.title = byId("mat-name").textContent = state.mat.name || "Mat";
  if (isNew && isLive) {
    details.want([state.selected, ...state.profiles.map((profile) => profile.name)]);
    if (isSession(state)) details.want([state.profile], state.cert);
  }
  now.render(state, playing(), canCommand);
  profiles.render(state, details, canCommand);
  strength.render(state.trim, canCommand, !isSession(state) || connection.hasLease);
  byId("event").textContent = eventWords(state, byWord);
  byId("clear").disabled = !canCommand;
  tick();
  speak();
}

/** Shows what changes while nothing new is said: levels, cursor, time. */
function tick() {
  const { state, link } = connection;
  if (!state?.paired) return;
  const isLive = link === "live";
  const runs = state.state === "running";
  const sinceS = runs ? (performance.now() - connection.receivedMs) / 1000 : 0;
  const t = state.t + sinceS;
  now.tick(playing(), isLive ? t : null, isLive ? state.left - sinceS : null);
  const levels = isLive && runs ? motorLevels(state, playing(), t * 1000) : {};
  mat.render(state.mat, isLive ? state.zones : null, levels);
}

/** The details of the profile that plays, if they are of the very session that the daemon plays. */
function playing() {
  const { profile, cert } = connection.state;
  return details.get(profile, cert);
}

/** Tells a screen reader the phase and the cue, or what became of a stop. */
function speak() {
  const { state, link } = connection;
  const answer = stopWord(stop.answer, connection);
  const trouble = byId("trouble").hidden ? "" : byId("trouble").textContent;
  const cue = link === "live" && state?.cue ? `${cueText(state.cue)} ${cueWarning(state.cue)}` : "";
  const phase = link === "live" && state?.state === "running" ? state.phase : "";
  const isAnswer = stop.answer === "stopped" || stop.answer === "unanswered";
  const text = (isAnswer && answer) || trouble || cue || phase || byId("state").textContent;
  if (byId("spoken").textContent !== text) byId("spoken").textContent = text;
}
