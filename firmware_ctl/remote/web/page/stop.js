/**
 * The STOP button. It imports nothing, so that it works when every other file of the page is
 * missing: a press posts to /stop at once. `onPress` adds a second way, the socket.
 *
 * The button never asks, is never disabled, and needs no pairing. "Stopped" is shown only on the
 * daemon's word, by `confirm`.
 */

const ANSWER_WITHIN_MS = 1000;
const SHOWN_FOR_MS = 6000;

const button = document.getElementById("stop");
const listeners = [];
let answerTimer = 0;
let hideTimer = 0;

/** What the page shows about the last press: none, asked, stopped or unanswered. */
export let answer = "none";

let show = () => {};

/** Calls `press` at each press, before anything else happens. */
export function onPress(press) {
  listeners.push(press);
}

/** Calls `shown` with the answer each time the answer changes. */
export function onAnswer(shown) {
  show = shown;
}

/** The daemon says, after the last press, that nothing plays. Without a press it does nothing. */
export function confirm() {
  if (answer !== "asked" && answer !== "unanswered") return;
  become("stopped");
  hideTimer = setTimeout(() => become("none"), SHOWN_FOR_MS);
}

function press() {
  for (const tell of listeners) tell();
  become("asked");
  fetch("/stop", { method: "POST", cache: "no-store", keepalive: true }).then(
    (response) => response.ok && confirm(),
    () => {}, // not reached: the time without an answer says so
  );
  answerTimer = setTimeout(() => become("unanswered"), ANSWER_WITHIN_MS);
}

function become(next) {
  clearTimeout(answerTimer);
  clearTimeout(hideTimer);
  answer = next;
  document.documentElement.dataset.stop = next;
  show(next);
}

// A finger stops when it touches the button, not when it leaves it. `click` is for keyboards and
// screen readers. Where both come, the second stop changes nothing.
button.addEventListener("pointerdown", press);
button.addEventListener("click", (event) => {
  if (event.detail === 0) press();
});
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape") press();
});
