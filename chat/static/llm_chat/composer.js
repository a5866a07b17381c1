const ChatElement = customElements.get("llm-chat-element");

/**
 * `<llm-chat-composer>`: a form with a text and one button, which sends or, while an answer runs, stops.
 *
 * In: the attribute `max-length` (characters); `chat:state` {streaming} on the surrounding `<llm-chat>`.
 * Out: `chat:submit` {text} and `chat:stop`. State: the attribute `streaming`; hints are `[data-hint]` elements, shown
 * one at a time. The text is never locked and leaves the field only when it is sent.
 */
class ChatComposer extends ChatElement {
  /** There Enter is the only way to break a line, and the button is near. */
  static touch = matchMedia("(hover: none) and (pointer: coarse)");


  // Life cycle

  start() {
    this.hear(this.chat, { "chat:state": ({ streaming }) => this.#reflect(streaming) });
    this.hear(this.#form, { submit: (event) => this.#submit(event) });
    this.hear(this.#field, { input: () => this.#measure(), keydown: (event) => this.#press(event) });
    this.hear(this.#button, { click: (event) => this.#click(event) });
    this.#reflect(this.chat.hasAttribute("streaming"));
    if (this.chat.getAttribute("page-url") && !this.closest("article") && !ChatComposer.touch.matches) this.#field.focus({ preventScroll: true });
  }

  // Actions

  /** @param {SubmitEvent} event */
  #submit(event) {
    event.preventDefault();
    const text = this.#field.value;
    this.#field.focus();
    if (!text.trim()) return;
    if (this.hasAttribute("streaming")) return this.#hint("busy");
    if (this.#measure() > this.#limit) return;
    this.send(text);
  }

  /** @param {string} text */
  send(text) {
    this.tell("chat:submit", { text });
    this.#field.value = "";
    this.#measure();
  }

  escape() {
    if (this.hasAttribute("streaming")) this.tell("chat:stop");
  }

  /** An input method's Enter and Escape are its own. @param {KeyboardEvent} event */
  #press(event) {
    if (event.isComposing || event.keyCode === 229) return;
    if (event.key === "Escape") this.escape();
    if (event.key !== "Enter" || event.shiftKey || event.altKey) return;
    if (ChatComposer.touch.matches && !event.ctrlKey && !event.metaKey) return;
    event.preventDefault();
    this.#form.requestSubmit();
  }

  /** The second click of a double click on Send must not stop. @param {MouseEvent} event */
  #click(event) {
    if (!this.hasAttribute("streaming")) return;
    event.preventDefault();
    if (event.detail < 2) this.tell("chat:stop");
  }

  /** @param {boolean} streaming */
  #reflect(streaming) {
    this.toggleAttribute("streaming", streaming);
    this.#measure();
  }

  // Internals

  /** Grow with the text and tell when it is too long. @returns {number} its length as the server counts it */
  #measure() {
    const text = this.#field.value;
    const length = text.length > this.#limit ? [...text].length : text.length;
    const excess = length > this.#limit;
    for (const output of this.querySelectorAll("[data-length]")) output.textContent = length.toLocaleString();
    this.#field.setAttribute("aria-invalid", String(excess));
    this.#hint(excess ? "too-long" : "");
    if (!CSS.supports("field-sizing", "content")) this.#fit();
    return length;
  }

  /** For browsers without `field-sizing`. */
  #fit() {
    this.#field.style.blockSize = "auto";
    this.#field.style.blockSize = `${this.#field.scrollHeight}px`;
  }

  /** @param {string} name of the hint to show, or none */
  #hint(name) {
    for (const hint of this.querySelectorAll("[data-hint]")) hint.hidden = hint.dataset.hint !== name;
  }

  get #limit() {
    return Number(this.getAttribute("max-length")) || Infinity;
  }

  get #form() {
    return /** @type {HTMLFormElement} */ (this.querySelector("form"));
  }

  get #field() {
    return /** @type {HTMLTextAreaElement} */ (this.querySelector("textarea"));
  }

  get #button() {
    return /** @type {HTMLButtonElement} */ (this.querySelector("[type=submit]"));
  }
}

ChatComposer.define("llm-chat-composer");
