/** The pictures and phases of the profiles, loaded one after the other: each costs the Pi some work. */

export class Details {
  #byName = new Map();
  #wanted = [];
  #loading = "";
  #onLoaded;

  constructor(onLoaded) {
    this.#onLoaded = onLoaded;
  }

  /** The details of a profile, or null while they are not there. With `cert`, only of that one. */
  get(name, cert = null) {
    const details = this.#byName.get(name);
    return details && (!cert || details.cert === cert) ? details : null;
  }

  /** Loads these profiles in this order, before what was wanted earlier. */
  want(names, cert = null) {
    const missing = names.filter((name) => name !== this.#loading && !this.get(name, cert));
    this.#wanted = [...new Set([...missing, ...this.#wanted])];
    this.#next();
  }

  async #next() {
    if (this.#loading || !this.#wanted.length) return;
    const name = this.#wanted.shift();
    this.#loading = name;
    try {
      const response = await fetch(`/profiles/${encodeURIComponent(name)}`);
      if (response.ok) this.#byName.set(name, await response.json());
    } catch {
      // Not reached: the next state asks for it again.
    }
    this.#loading = "";
    if (this.get(name)) this.#onLoaded();
    this.#next();
  }
}
