/** What is wrong, and what the person can do about it, in words. */

import { find, word } from "./words.js";

const byId = (id) => document.getElementById(id);

/** Shows the trouble with the connection, a fault, a refusal, and the allowance. */
export function renderTroubles({ state, link }) {
  const trouble = byId("trouble");
  const text = troubleWords(state, link);
  if (trouble.textContent !== text) trouble.textContent = text;
  trouble.hidden = !text;
  if (!state?.paired) return;
  renderFault(state);
  const refused = byId("refused");
  const refusal = state.refused ? refusalWords(state.refused) : "";
  if (refused.textContent !== refusal) refused.textContent = refusal;
  refused.hidden = !refusal;
  byId("allowance").textContent = state.limits ? allowanceWords(state.limits) : "";
}

function troubleWords(state, link) {
  if (link === "lost") return word(handy("trouble.lost", state));
  if (link === "silent") return word(`trouble.${state.daemon}`);
  if (link === "live" && state.paired && !state.may_command) return word("trouble.ninth");
  return "";
}

function renderFault(state) {
  byId("fault").hidden = state.state !== "fault";
  if (state.state !== "fault") return;
  const code = (state.fault ?? "").split(" ")[0];
  byId("fault-text").textContent = find(`faults.${code}`) ?? word("faults.other");
  byId("fault-code").textContent = word("fault.code", { code: state.fault ?? "" });
}

function refusalWords({ code, message }) {
  const waitS = code === "allowance" ? Number.parseInt(message, 10) : Number.NaN;
  if (waitS > 0) return word("refused.allowance_wait", span(waitS));
  return find(`refused.${code}`) ?? message;
}

function span(seconds) {
  const minutes = Math.ceil(seconds / 60);
  return { hours: Math.floor(minutes / 60), minutes: minutes % 60 };
}

function allowanceWords({ left, daily }) {
  const whole = { left: Math.floor(left / 60), daily: Math.round(daily / 60) };
  return word(whole.left > 0 ? "allowance.left" : "allowance.none", whole);
}

/** How the last session ended. */
export function eventWords({ reason, by }, byWord) {
  if (reason === "stop" && by) return word("ended.stop_by", { by: byWord(by) });
  return reason ? (find(`ended.${reason}`) ?? "") : "";
}

/** What became of the last press of STOP. */
export function stopWord(answer, { state, link }) {
  if (answer !== "unanswered") return find(`stop.${answer}`) ?? "";
  return link === "silent" ? word("stop.unanswered_silent") : word(handy("stop.unanswered", state));
}

/** The text for a mat with a button, or for one without. */
function handy(path, state) {
  return state?.mat?.has_button === false ? `${path}_no_button` : path;
}
