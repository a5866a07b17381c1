const ChatElement = customElements.get("llm-chat-element");

/** `<llm-chat-days>`: keeps the lines around it under the reader's own days, where the server knows those of one time zone. */
class ChatDays extends ChatElement {
  /** The day by which they stand. */
  #today = 0;
  #clock = 0;

  start() {
    this.hear(document, { visibilitychange: () => document.hidden || this.#turn() });
    this.hear(this.parentElement, { pointerleave: () => this.#turn(), focusout: () => setTimeout(() => this.#turn()) });
    this.#sort();
  }

  stop() {
    clearTimeout(this.#clock);
  }

  /** Another day may have begun. A line that is pointed at stays where it is. */
  #turn() {
    if (this.#today !== midnight() && !this.parentElement.matches(":hover, :focus-within")) this.#sort();
  }

  #sort() {
    this.#today = midnight();
    let last = this.#section("today");
    for (const [key, lines] of this.#lines()) {
      const section = this.#section(key) ?? this.#build(key, dateOf(lines[0]));
      if (!section.isConnected) last.after(section);
      const list = section.querySelector("ul");
      if (lines.some((line, place) => line !== list.children[place])) list.append(...lines);
      last = section;
    }
    clearTimeout(this.#clock);
    this.#clock = setTimeout(() => this.#turn(), midnight(1) - Date.now());
  }

  // Internals

  /** The lines of each section, the newest first. */
  #lines() {
    const found = new Map();
    for (const line of this.parentElement.querySelectorAll("li:has([data-updated])")) {
      const key = this.#keyOf(dateOf(line));
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
    const section = document.importNode(this.querySelector("template").content.firstElementChild, true);
    section.dataset.day = key;
    section.querySelector("h2").textContent = this.dataset[key] ?? monthOf(date, this.closest("[lang]")?.lang);
    return section;
  }

  #section(key) {
    return this.parentElement.querySelector(`[data-day="${key}"]`);
  }
}

/** When the day of a moment begins, or one some days later. */
function midnight(later = 0, date = new Date()) {
  return new Date(date.getFullYear(), date.getMonth(), date.getDate() + later).getTime();
}

function dateOf(line) {
  return new Date(line.querySelector("[data-updated]").dataset.updated * 1_000);
}

function monthOf(date, language) {
  const year = date.getFullYear() === new Date().getFullYear() ? undefined : "numeric";
  return new Intl.DateTimeFormat(language || [], { month: "long", year }).format(date);
}

ChatDays.define("llm-chat-days");
