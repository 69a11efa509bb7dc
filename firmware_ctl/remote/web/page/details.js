/** The pictures and phases of the profiles, loaded one after the other: each costs the Pi some work. */

export class Details {
  #byName = new Map();
  #wanted = [];
  #isLoading = false;
  #tried = new Set();
  #onLoaded;

  constructor(onLoaded) {
    this.#onLoaded = onLoaded;
  }

  /** The details of a profile, or null while they are not there. With `cert`, only of that one. */
  get(name, cert = null) {
    const details = this.#byName.get(name);
    return details && (!cert || details.cert === cert) ? details : null;
  }

  /** Loads these profiles in this order, before what was wanted earlier. Each is tried once. */
  want(names, cert = null) {
    const fresh = names.filter((name) => !this.get(name, cert) && !this.#tried.has(key(name, cert)));
    for (const name of fresh) this.#tried.add(key(name, cert));
    this.#wanted = [...fresh.map((name) => ({ name, cert })), ...this.#wanted];
    this.#next();
  }

  async #next() {
    if (this.#isLoading || !this.#wanted.length) return;
    const { name, cert } = this.#wanted.shift();
    this.#isLoading = true;
    try {
      const response = await fetch(`/profiles/${encodeURIComponent(name)}`);
      if (response.ok) this.#byName.set(name, await response.json());
    } catch {
      this.#tried.delete(key(name, cert)); // not reached: the next state asks for it again
    }
    this.#isLoading = false;
    if (this.get(name)) this.#onLoaded();
    this.#next();
  }
}

function key(name, cert) {
  return `${name} ${cert}`;
}
