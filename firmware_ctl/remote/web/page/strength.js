/**
 * The trim in steps of ten percent. Weaker works always and at once. While something plays,
 * stronger needs a session that ends when this phone is gone.
 */

import { word } from "./words.js";

const STEP_PCT = 10;
const LEAST_PCT = 10;

const weaker = document.getElementById("weaker");
const stronger = document.getElementById("stronger");
const hint = document.getElementById("strength-hint");

export class Strength {
  #trim = 100;

  constructor(request) {
    weaker.addEventListener("click", () => {
      request({ do: "trim", pct: Math.max(LEAST_PCT, this.#trim - STEP_PCT) });
    });
    stronger.addEventListener("click", () => {
      request({ do: "trim", pct: Math.min(100, this.#trim + STEP_PCT) });
    });
  }

  /** `mayRaise`: nothing plays, or what plays ends when this phone is gone. */
  render(trim, canCommand, mayRaise) {
    this.#trim = trim;
    document.getElementById("trim").textContent = word("strength.value", { trim });
    weaker.disabled = !canCommand || trim <= LEAST_PCT;
    stronger.disabled = !canCommand || !mayRaise || trim >= 100;
    hint.hidden = !canCommand || mayRaise || trim >= 100;
  }
}
