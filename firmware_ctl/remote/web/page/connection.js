/**
 * The page's one connection to the bridge: the state comes down, requests go up.
 *
 * After a loss it asks `GET /state` first and opens a socket only when that answers, because
 * browsers punish sockets that fail. It sends nothing by itself but pings: a reconnect starts and
 * resumes nothing.
 */

const SILENT_AFTER_MS = 2000;
const PING_EVERY_MS = 1000;
const WAITS_MS = [250, 500, 1000, 2000, 3000];

/** Whether something plays or pauses. */
export function isSession(state) {
  return state?.state === "running" || state?.state === "paused";
}

export class Connection {
  /** The last state from the bridge, or null. */
  state = null;
  /** connecting, live, silent (the bridge answers, the daemon does not) or lost. Live and silent
   * need an open socket. */
  link = "connecting";
  /** When the last state came, on the clock of `performance.now()`. */
  receivedMs = 0;
  /** Whether this page has started what plays, with a lease: it ends when this page is gone. */
  hasLease = false;

  #receivedAt = 0;
  #socket = null;
  #onChange;
  #losses = 0;
  #retryTimer = 0;
  #asking = false;

  /** Calls `onChange(isNew)` after each state (true), and when `link` changes without one (false). */
  constructor(onChange) {
    this.#onChange = onChange;
    setInterval(() => this.#watch(), 250);
    setInterval(() => this.send({ do: "ping" }), PING_EVERY_MS);
    // A phone that was asleep has an old picture.
    document.addEventListener("visibilitychange", () => {
      if (document.hidden) return;
      this.#watch();
      this.again();
    });
    addEventListener("online", () => this.again());
    addEventListener("pageshow", (event) => event.persisted && this.again());
    this.#ask();
  }

  /** Sends a request if the socket is open. Never waits: an old request must not act later. */
  send(request) {
    if (request.do === "start") this.hasLease = request.lease > 0;
    this.#sendText(JSON.stringify(request));
  }

  /** The stop byte. */
  sendStop() {
    this.#sendText("!");
  }

  /** Asks for the state now, and connects if there is no connection. */
  again() {
    this.#losses = 0;
    this.#ask();
  }

  /** Closes the socket and opens a new one, with the cookie that a pairing has brought. */
  renew() {
    this.#drop();
    this.again();
  }

  #sendText(text) {
    if (this.#socket?.readyState === WebSocket.OPEN) this.#socket.send(text);
  }

  async #ask() {
    clearTimeout(this.#retryTimer);
    if (this.#asking) return;
    this.#asking = true;
    let state = null;
    try {
      const signal = AbortSignal.timeout(SILENT_AFTER_MS);
      const response = await fetch("/state", { cache: "no-store", signal });
      if (response.ok) state = await response.json();
    } catch {
      // Not reached: `state` stays null, and the page tries again.
    }
    this.#asking = false;
    if (state) {
      this.#receive(state);
      if (!this.#socket) this.#open();
    } else if (!(this.#socket && this.#isFresh())) {
      this.#drop();
      this.#retry();
    }
  }

  #open() {
    const socket = new WebSocket(`ws${location.protocol.slice(4)}//${location.host}/ws`);
    this.#socket = socket;
    socket.onmessage = (event) => {
      this.#losses = 0;
      this.#receive(JSON.parse(event.data));
    };
    socket.onclose = () => {
      if (socket !== this.#socket) return;
      this.#drop();
      this.#retry();
    };
  }

  #drop() {
    const socket = this.#socket;
    this.#socket = null;
    this.hasLease = false;
    socket?.close();
    this.#become("lost");
  }

  #retry() {
    const waitMs = WAITS_MS[Math.min(this.#losses, WAITS_MS.length - 1)];
    this.#losses += 1;
    clearTimeout(this.#retryTimer);
    this.#retryTimer = setTimeout(() => this.#ask(), waitMs);
  }

  #receive(state) {
    const hasEnded = isSession(this.state) && !isSession(state);
    if (hasEnded || state.refused) this.hasLease = false;
    this.state = state;
    this.receivedMs = performance.now();
    this.#receivedAt = Date.now();
    // Without an open socket nothing could be sent, so the page must not look as if it could.
    if (this.#socket?.readyState === WebSocket.OPEN) {
      this.link = state.daemon === "online" ? "live" : "silent";
    }
    this.#onChange(true);
  }

  /** A socket that is silent is no connection, even if the browser calls it open. */
  #watch() {
    if (this.link !== "live" && this.link !== "silent") return;
    if (this.#isFresh()) return;
    this.#drop();
    this.#retry();
  }

  /** Two clocks, because that of `performance` stands still while a phone sleeps. */
  #isFresh() {
    const ageMs = Math.max(performance.now() - this.receivedMs, Date.now() - this.#receivedAt);
    return ageMs < SILENT_AFTER_MS;
  }

  #become(link) {
    if (link === this.link) return;
    this.link = link;
    this.#onChange(false);
  }
}
