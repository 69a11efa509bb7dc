/** What a phone sees that is not paired: whether something plays, and how to pair. STOP works anyway. */

import { isSession } from "./connection.js";
import { word } from "./words.js";

const section = document.getElementById("pairing");
const form = document.getElementById("pairing-form");
const code = document.getElementById("code");
const answer = document.getElementById("pairing-answer");

export class Pairing {
  /** Calls `onPaired` when the bridge has accepted the code. */
  constructor(onPaired) {
    // The QR code of `web pair` is this page's address with the code. Used once, so it leaves the address.
    const scanned = /^#code=(\d{6})$/.exec(location.hash)?.[1];
    if (scanned) {
      history.replaceState(null, "", location.pathname);
      code.value = scanned;
    }
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      answer.textContent = "";
      const refusal = await pair(code.value.trim());
      answer.textContent = refusal;
      if (refusal) code.select();
      else onPaired();
    });
    if (scanned) form.requestSubmit();
  }

  render(state) {
    section.hidden = state.paired;
    if (state.paired) return;
    const plays = isSession(state);
    document.getElementById("pairing-plays").textContent = word(
      plays ? "pairing.plays" : state.state ? "pairing.rests" : "pairing.unknown",
    );
    document.getElementById("pairing-hold").hidden = !state.can_hold_button;
  }
}

/** Sends the code. Returns why it was refused, or "". */
async function pair(digits) {
  if (!/^\d{6}$/.test(digits)) return word("pairing.six");
  try {
    const response = await fetch("/pair", {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ code: digits }),
    });
    if (response.ok) return "";
    if (response.status === 403) return word("pairing.wrong");
    const { message } = await response.json();
    const seconds = /(\d+) s/.exec(message)?.[1];
    return seconds ? word("pairing.wait", { seconds }) : message;
  } catch {
    return word("pairing.lost");
  }
}
