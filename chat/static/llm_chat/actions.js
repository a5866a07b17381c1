const ChatElement = customElements.get("llm-chat-element");

/** `<llm-chat-actions>`: what the `[data-action]` buttons of messages do. */
class ChatActions extends ChatElement {
  /** @type {Record<string, (article: HTMLElement, button: HTMLButtonElement) => void>} */
  #actions = {
    copy: (article, button) => this.#copy(article, button),
    rate: (article, button) => this.#rate(article, button),
    select: (article, button) => this.#select(article, button),
    close: (article) => this.#close(article),
    edit: (article) => this.tell("chat:edit", detailOf(article)),
    retry: (article) => this.tell("chat:retry", { ...detailOf(article), continues: false }),
    continue: (article) => this.tell("chat:retry", { ...detailOf(article), continues: true }),
    discard: (article) => this.tell("chat:discard", detailOf(article)),
  };

  connect() {
    this.hear(this.chat, {
      click: ({ target }) => this.#click(target),
      submit: (event) => event.target.matches("[data-comment]") && this.#comment(event),
    });
  }

  #click(target) {
    /** @type {HTMLButtonElement | null} */
    const button = target.closest("[data-action]");
    const article = button?.closest("[data-message]");
    if (!button || !article) return;
    this.tell("chat:problem", { text: "" });
    this.#actions[button.dataset.action ?? ""]?.(article, button);
  }

  /** Copy a message as Markdown, or as the page shows it where the server cannot be asked. */
  #copy(article, button) {
    const { innerText } = this.find("[data-parts]", article);
    const source = this.request({ type: "source", messageId: article.dataset.message });
    this.tell("chat:copy", { button, article, text: source.then(([{ text }]) => text).catch(() => innerText) });
  }

  /** Rate an answer; the button that is pressed takes the rating back. */
  async #rate(article, button) {
    const before = this.#pressed(article);
    const after = button === before ? null : button;
    this.#press(article, after);
    const done = await this.#ask({
      type: "rate",
      messageId: article.dataset.message,
      value: Number(after?.value ?? 0),
    });
    if (!done) this.#press(article, before);
  }

  async #comment(event) {
    event.preventDefault();
    const form = event.target;
    const article = form.closest("[data-message]");
    const value = Number(this.#pressed(article)?.value);
    const comment = this.find("textarea", form).value;
    if (!(await this.#ask({ type: "rate", messageId: article.dataset.message, value, comment }))) return;
    this.#close(article);
    this.tell("chat:say", { text: this.dataset.thanks ?? "" });
  }

  #close(article) {
    article.querySelector("[data-comment]")?.remove();
    this.#pressed(article)?.focus();
  }

  /** Show another version of a message, and what follows it, in the place of this one. */
  async #select(article, { value, title }) {
    const messages = await this.#ask({ type: "select", messageId: value });
    if (!messages) return;
    const shown = () => this.chat.querySelector(`[data-message="${CSS.escape(value)}"]`);
    const change = () => {
      for (const data of messages) this.tell("chat:chunk", { type: "data-message", data });
      return shown();
    };
    this.tell("chat:keep", { from: article, change });
    const buttons = shown()?.querySelectorAll("[data-action=select]:enabled");
    const next = [...(buttons ?? [])].find((candidate) => candidate.title === title) ?? buttons?.[0];
    next?.focus({ preventScroll: true });
  }

  // Internals

  /** Return what the server sends, or nothing, and then show a sentence. */
  async #ask(frame) {
    try {
      return await this.request(frame);
    } catch (text) {
      this.tell("chat:problem", { text: String(text || this.dataset.failed) });
      return undefined;
    }
  }

  /** @returns {HTMLButtonElement | null} */
  #pressed(article) {
    return article.querySelector("[aria-pressed=true]");
  }

  #press(article, button) {
    for (const thumb of article.querySelectorAll("[aria-pressed]")) thumb.ariaPressed = String(thumb === button);
    article.querySelector("[data-comment]")?.remove();
    if (button) this.find("[data-footer]", article).append(this.clone("comment"));
  }
}

/** @returns {MessageDetail} */
function detailOf(article) {
  const { message = "", role = "" } = article.dataset;
  return { message, role, text: article.querySelector("[data-blocks]")?.textContent ?? "" };
}

ChatActions.define("llm-chat-actions");

/** `<llm-chat-tools role="toolbar">`: the buttons of a message, one tab stop. Arrow keys, Home and End move between them. */
class ChatTools extends ChatElement {
  connect() {
    this.hear(this.chat, { "chat:state": () => this.#stop(this.querySelector(":focus")) });
    this.hear(this, {
      focusin: ({ target }) => this.#stop(target),
      keydown: (event) => this.#press(event),
    });
    customElements.whenDefined("llm-chat").then(() => this.#stop()); // until then all buttons are hidden
  }

  /** Make one button the tab stop: the one that is given, if it can have the focus. */
  #stop(wanted) {
    const items = this.#items;
    const stop = items.includes(wanted) ? wanted : items[0];
    /** @type {NodeListOf<HTMLElement>} */
    const all = this.querySelectorAll("button, summary");
    for (const item of all) item.tabIndex = item === stop ? 0 : -1;
  }

  #press(event) {
    const items = this.#items;
    const place = items.indexOf(event.target);
    const next = this.matches(":dir(rtl)") ? "ArrowLeft" : "ArrowRight";
    const back = next === "ArrowLeft" ? "ArrowRight" : "ArrowLeft";
    /** @type {Record<string, number>} */
    const places = { [next]: place + 1, [back]: place - 1, Home: 0, End: -1 };
    if (place < 0 || !(event.key in places)) return;
    event.preventDefault();
    event.stopPropagation(); // the log would scroll
    items.at(places[event.key] % items.length)?.focus();
  }

  // Internals

  /** What can have the focus: buttons that start an answer are hidden while one is being made. */
  get #items() {
    const all = /** @type {HTMLElement[]} */ ([...this.querySelectorAll("button:enabled, summary")]);
    return all.filter((item) => item.checkVisibility?.({ visibilityProperty: true }) ?? true);
  }
}

ChatTools.define("llm-chat-tools");

/** `<llm-chat-speech>`: reads answers aloud, where the browser has a voice. */
class ChatSpeech extends ChatElement {
  /** @type {HTMLButtonElement | null} That of the answer which is being read. */
  #button = null;

  connect() {
    if (!("speechSynthesis" in window)) return;
    this.hear(speechSynthesis, { voiceschanged: () => this.#look() });
    this.hear(window, { pagehide: () => this.#stop() });
    this.hear(this.chat, { click: ({ target }) => this.#click(target.closest("[data-action=speak]")) });
    this.#look();
  }

  disconnect() {
    this.#stop();
  }

  #look() {
    this.toggleAttribute("voices", speechSynthesis.getVoices().length > 0);
  }

  #click(button) {
    if (!button) return;
    const isStop = button === this.#button;
    this.#stop();
    if (!isStop) this.#read(button);
  }

  /** Read line by line, because some browsers break off in a long text. */
  #read(button) {
    this.#button = button;
    this.#label(this.dataset.stop, "quiet");
    for (const line of this.#lines(button.closest("[data-message]"))) {
      const utterance = new SpeechSynthesisUtterance(line);
      utterance.lang = this.chat.lang;
      utterance.onend = () => button === this.#button && !speechSynthesis.pending && this.#stop();
      speechSynthesis.speak(utterance);
    }
  }

  #stop() {
    if (!this.#button) return;
    this.#label(this.dataset.start, "speak");
    this.#button = null;
    speechSynthesis.cancel();
  }

  // Internals

  /** Return what to read: the text without its reasoning, with one word for a block of code. */
  #lines(article) {
    const copy = document.importNode(this.find("[data-parts]", article), true);
    for (const reasoning of copy.querySelectorAll("details")) reasoning.remove();
    for (const code of copy.querySelectorAll("pre")) code.replaceWith(`${this.dataset.code}\n`);
    for (const line of copy.querySelectorAll("[data-blocks] > * > *, li, td, th")) line.append("\n");
    return (copy.textContent ?? "")
      .trim()
      .split(/\s*\n\s*/)
      .filter(Boolean);
  }

  #label(title = "", icon) {
    if (!this.#button) return;
    this.#button.title = title;
    this.#button.querySelector("use")?.setAttribute("href", `#llm-chat-${icon}`);
  }
}

ChatSpeech.define("llm-chat-speech");
