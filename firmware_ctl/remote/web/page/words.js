/** The page's words in the reader's language, from words.LANGUAGE.json. */

const LANGUAGES = ["en", "de"];

let words = {};

/** Loads the words, and writes them into every element that names its word. */
export async function load() {
  const wanted = navigator.languages.map((tag) => tag.slice(0, 2).toLowerCase());
  const language = wanted.find((tag) => LANGUAGES.includes(tag)) ?? LANGUAGES[0];
  words = await (await fetch(`/page/words.${language}.json`)).json();
  document.documentElement.lang = language;
  for (const element of document.querySelectorAll("[data-word]")) {
    element.textContent = word(element.dataset.word);
  }
  for (const element of document.querySelectorAll("[data-label]")) {
    element.setAttribute("aria-label", word(element.dataset.label));
  }
}

/** The text at a path such as `fault.title`, with its `{names}` filled in; null if there is none. */
export function find(path, values = {}) {
  const text = path.split(".").reduce((node, key) => node?.[key], words);
  if (typeof text !== "string") return null;
  return text.replace(/\{(\w+)\}/g, (_, name) => values[name]);
}

/** As `find`. A path without a text gives the path, which a test would find on the screen. */
export function word(path, values) {
  return find(path, values) ?? path;
}

/** Seconds as minutes and seconds: 754 is 12:34. */
export function clock(seconds) {
  const whole = Math.max(0, Math.ceil(seconds));
  return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, "0")}`;
}

/** A zone's name for a person: the page's word, else the name in the mat file without its "_". */
export function zoneWord(name) {
  return find(`zones.${name}`) ?? name.replaceAll("_", " ");
}
