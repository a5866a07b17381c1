const ChatElement = customElements.get("llm-chat-element");

/** `<llm-chat-days>`: sorts the lines around it by the days of the visitor's time zone; the server knows only its own. */
class ChatDays extends ChatElement {
  /** The day by which they are sorted. */
  #today = 0;
  #timer = 0;

  connect() {
    this.hear(document, { visibilitychange: () => document.hidden || this.#update() });
    this.hear(this.#list, {
      "chat:sort": () => this.#sort(),
      pointerleave: () => this.#update(),
      focusout: () => setTimeout(() => this.#update()),
    });
    this.#sort();
  }

  disconnect() {
    clearTimeout(this.#timer);
  }

  /** Another day may have begun. A line that is pointed at stays where it is. */
  #update() {
    if (this.#today !== midnight() && !this.#list.matches(":hover, :focus-within")) this.#sort();
  }

  #sort() {
    this.#today = midnight();
    let last = this.#section("today");
    const focused = /** @type {HTMLElement} */ (document.activeElement);
    for (const [key, lines] of this.#linesByDay()) {
      const section = this.#section(key) ?? this.#build(key, dateOf(lines[0]));
      if (!section.isConnected) last?.after(section);
      const list = this.find("ul", section);
      if (lines.some((line, place) => line !== list.children[place])) list.append(...lines);
      if (key !== "pinned") last = section;
    }
    if (focused !== document.activeElement) focused.focus({ preventScroll: true }); // its line has moved
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#update(), midnight(1) - Date.now());
  }

  // Internals

  /** Return the lines of each section, the newest first. */
  #linesByDay() {
    /** @type {Map<string, Element[]>} */
    const found = new Map();
    const lines = [...this.#list.querySelectorAll("li:has([data-updated])")];
    for (const line of lines.sort((one, other) => Number(dateOf(other)) - Number(dateOf(one)))) {
      const key = line.matches("[data-pinned]") ? "pinned" : this.#keyOf(dateOf(line));
      found.set(key, [...(found.get(key) ?? []), line]);
    }
    return found;
  }

  #keyOf(date) {
    const days = Math.round((this.#today - midnight(0, date)) / 86_400_000); // one of them may have 23 hours
    if (days < 1) return "today";
    if (days < 2) return "yesterday";
    if (days < 8) return "week";
    return `${date.getFullYear()}-${String(date.getMonth() + 1).padStart(2, "0")}`;
  }

  #build(key, date) {
    const template = document.importNode(this.find("template").content, true);
    const section = /** @type {HTMLElement} */ (template.firstElementChild);
    section.dataset.day = key;
    this.find("h2", section).textContent = this.dataset[key] ?? monthOf(date, this.closest("[lang]")?.lang);
    return section;
  }

  #section(key) {
    return this.#list.querySelector(`[data-day="${key}"]`);
  }

  get #list() {
    return /** @type {HTMLElement} */ (this.parentElement);
  }
}

/** Return when the day of a date begins, or one some days later. */
function midnight(later = 0, date = new Date()) {
  return new Date(date.getFullYear(), date.getMonth(), date.getDate() + later).getTime();
}

function dateOf(line) {
  return new Date(Number(line.querySelector("[data-updated]")?.getAttribute("data-updated")) * 1_000);
}

function monthOf(date, language) {
  const year = date.getFullYear() === new Date().getFullYear() ? undefined : "numeric";
  return new Intl.DateTimeFormat(language || [], { month: "long", year }).format(date);
}

ChatDays.define("llm-chat-days");
