/** The list of profiles. The selected one is open; the daemon says which one that is. */

import { onHold } from "./hold.js";
import { draw } from "./picture.js";
import { find, word } from "./words.js";

const LEASE_S = 5;

const section = document.getElementById("profiles");
const list = document.getElementById("profile-list");
const detail = document.getElementById("detail");
const picture = document.getElementById("detail-picture");
const about = document.getElementById("detail-about");
const warnings = document.getElementById("detail-warnings");
const starts = document.getElementById("starts");
const startSelf = document.getElementById("start-self");
const startAnswer = document.getElementById("start-answer");

export class Profiles {
  #request;
  #key = "";
  #selected = "";

  /** Sends what the person asks for with `request`. */
  constructor(request) {
    this.#request = request;
    const short = () => startAnswer.classList.add("urgent");
    const start = (lease) => () => {
      startAnswer.classList.remove("urgent");
      request({ do: "start", profile: this.#selected, lease });
    };
    onHold(startSelf, start(0), short);
    onHold(document.getElementById("start-other"), start(LEASE_S), short);
  }

  render(state, details, canCommand) {
    section.hidden = state.state !== "idle";
    if (section.hidden) return;
    const key = JSON.stringify(state.profiles);
    if (key !== this.#key) {
      this.#key = key;
      this.#selected = "";
      section.append(detail);
      list.replaceChildren(...state.profiles.map((profile) => this.#card(profile)));
    }
    for (const button of list.querySelectorAll(".head")) button.disabled = !canCommand;
    for (const button of starts.children) button.disabled = !canCommand;
    startSelf.hidden = !state.mat.has_button;
    this.#select(state, details);
  }

  #card(profile) {
    const item = document.createElement("li");
    item.dataset.name = profile.name;
    item.innerHTML =
      '<h3><button type="button" class="head"><span class="title"></span>' +
      '<span class="minutes"></span></button></h3>';
    item.querySelector(".title").textContent = profile.title;
    item.querySelector(".minutes").textContent = word("profiles.minutes", {
      minutes: Math.round(profile.minutes),
    });
    const thumb = picture.cloneNode();
    thumb.id = `picture-${profile.name}`;
    thumb.setAttribute("class", "thumb");
    item.querySelector(".head").append(thumb);
    item.querySelector(".head").addEventListener("click", () => {
      this.#request({ do: "select", profile: profile.name });
    });
    return item;
  }

  #select(state, details) {
    const selected = state.profiles.find((profile) => profile.name === state.selected);
    for (const item of list.children) {
      const isOpen = item.dataset.name === state.selected;
      item.classList.toggle("open", isOpen);
      item.querySelector(".head").setAttribute("aria-expanded", isOpen);
      draw(item.querySelector(".thumb"), details.get(item.dataset.name), "");
      if (isOpen && detail.parentElement !== item) item.append(detail);
    }
    detail.hidden = !selected;
    if (!selected) return;
    draw(picture, details.get(selected.name), selected.title);
    if (this.#selected === selected.name) return;
    const isFirst = !this.#selected;
    this.#selected = selected.name;
    about.textContent = selected.about;
    warnings.replaceChildren(...selected.warnings.map(warningItem));
    startAnswer.classList.remove("urgent");
    if (!isFirst) detail.parentElement.scrollIntoView({ block: "nearest" });
  }
}

function warningItem(text) {
  const item = document.createElement("li");
  const point = text.split(":")[0];
  const warning = find(`cues.${point}.warning`);
  item.textContent = warning ? `${point}: ${warning}` : text;
  return item;
}
