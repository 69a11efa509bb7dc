/** A button that acts only after it was held for 0.6 s, by finger, mouse or keyboard. */

const HOLD_MS = 600;

/** Ends every hold that has begun, so that it does not act: a stop came. */
export function endHolds() {
  dispatchEvent(new Event("endholds"));
}

/** Calls `act` when `button` was held long enough, and `short` when it was let go before. */
export function onHold(button, act, short) {
  let timer = 0;

  function begin() {
    if (timer || button.disabled) return;
    button.dataset.held = "";
    timer = setTimeout(() => {
      const isAllowed = !button.disabled;
      end();
      if (isAllowed) act();
    }, HOLD_MS);
  }

  function end() {
    clearTimeout(timer);
    timer = 0;
    delete button.dataset.held;
  }

  function letGo() {
    if (!timer) return;
    end();
    short();
  }

  button.addEventListener("pointerdown", (event) => {
    if (event.button === 0) begin();
  });
  for (const type of ["pointerup", "pointerleave", "pointercancel", "blur"]) {
    button.addEventListener(type, letGo);
  }
  button.addEventListener("keydown", (event) => {
    if (event.key !== " " && event.key !== "Enter") return;
    event.preventDefault();
    if (!event.repeat) begin();
  });
  button.addEventListener("keyup", letGo);
  // A screen reader's double tap is a click without a pointer: it says how to start.
  button.addEventListener("click", (event) => event.detail === 0 && short());
  button.addEventListener("contextmenu", (event) => event.preventDefault());
  addEventListener("endholds", end);
  // What is hidden is not held any more.
  document.addEventListener("visibilitychange", end);
}
