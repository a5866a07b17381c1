const ChatElement = customElements.get("llm-chat-element");

const DRAFT = "llm-chat draft ";

/**
 * `<llm-chat-composer>`: a form with a text and one button, which sends or, while an answer runs, stops.
 *
 * In: the attribute `max-length` (characters); on the surrounding `<llm-chat>` `chat:state` {streaming} and `chat:close`
 * {final}. Out: `chat:submit` {text} and `chat:stop`. State: the attribute `streaming`; hints are `[data-hint]` elements,
 * shown one at a time. The text is never locked and leaves the field only when it is sent; until then the device keeps it.
 */
class ChatComposer extends ChatElement {
  /** There Enter is the only way to break a line, and the button is near. */
  static touch = matchMedia("(hover: none) and (pointer: coarse)");

  /** The session is gone: the reader will have another name, and is to find the draft in this tab all the same. */
  #lost = false;

  // Life cycle

  start() {
    this.hear(this.chat, {
      "chat:state": ({ streaming }) => this.#reflect(streaming),
      "chat:close": ({ final }) => this.#lose(final),
      dragover: (event) => this.#refuse(event, event.dataTransfer),
      drop: (event) => this.#refuse(event, event.dataTransfer),
    });
    this.hear(this.#form, { submit: (event) => this.#submit(event) });
    this.hear(this.#field, {
      input: () => this.#input(),
      keydown: (event) => this.#press(event),
      paste: (event) => this.#refuse(event, event.clipboardData),
    });
    this.hear(this.#button, { click: (event) => this.#click(event) });
    if (!this.#inside) this.#restore();
    this.#reflect(this.chat.hasAttribute("streaming"));
  }

  // Actions

  #submit(event) {
    event.preventDefault();
    const text = this.#field.value;
    this.#field.focus();
    if (!text.trim()) return;
    if (this.#lost) return this.#hint("lost");
    if (this.hasAttribute("streaming")) return this.#hint("busy");
    if (this.#measure() > this.#limit) return;
    this.send(text);
  }

  send(text) {
    this.#field.value = "";
    this.#input(); // first, for sending gives a new chat its address
    this.tell("chat:submit", { text });
  }

  #input() {
    this.#measure();
    this.#keep();
  }

  /** A file that is dropped would take the page's place. */
  #refuse(event, { types }) {
    if (!types.includes("Files") || (event.type === "paste" && types.includes("text/plain"))) return;
    event.preventDefault();
    if (event.type !== "dragover") this.#hint("files");
  }

  escape() {
    if (this.hasAttribute("streaming")) this.tell("chat:stop");
  }

  /** An input method's Enter and Escape are its own. */
  #press(event) {
    if (event.isComposing || event.keyCode === 229) return;
    if (event.key === "Escape") this.escape();
    if (event.key !== "Enter" || event.shiftKey || event.altKey) return;
    if (ChatComposer.touch.matches && !event.ctrlKey && !event.metaKey) return;
    event.preventDefault();
    this.#form.requestSubmit();
  }

  /** The second click of a double click on Send must not stop. */
  #click(event) {
    if (!this.hasAttribute("streaming")) return;
    event.preventDefault();
    if (event.detail < 2) this.tell("chat:stop");
  }

  #reflect(streaming) {
    this.toggleAttribute("streaming", streaming);
    this.#measure();
  }

  /** @param {boolean} final whether the session is gone */
  #lose(final) {
    this.#lost = final;
    if (final) this.#keep();
  }

  // Internals

  /** Drafts of other owners go: whoever wrote them has signed out here. */
  #restore() {
    tried(() => {
      for (const key of Object.keys(localStorage)) {
        if (key.startsWith(DRAFT) && !key.startsWith(DRAFT + this.chat.getAttribute("owner"))) localStorage.removeItem(key);
      }
      this.#field.value ||= sessionStorage.getItem(this.#key("")) ?? localStorage.getItem(this.#key()) ?? "";
      sessionStorage.removeItem(this.#key(""));
    });
    this.#keep();
    if (this.chat.getAttribute("page-url") && !ChatComposer.touch.matches) this.#field.focus({ preventScroll: true });
  }

  #keep() {
    if (this.#inside) return;
    const text = this.#field.value;
    const [storage, key] = this.#lost ? ["sessionStorage", this.#key("")] : ["localStorage", this.#key()];
    tried(() => (text.trim() ? window[storage].setItem(key, text) : window[storage].removeItem(key)));
  }

  /** A new chat has another id on each load. @param {string | null} [owner] */
  #key(owner = this.chat.getAttribute("owner")) {
    const page = this.chat.getAttribute("page-url");
    return `${DRAFT + owner} ${page && page !== location.pathname ? "" : this.chat.getAttribute("conversation")}`;
  }

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

  /** In a message, which it edits. */
  get #inside() {
    return this.closest("[data-message]");
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

/** The storage may be full or closed to this site. */
function tried(act) {
  try {
    act();
  } catch {
    // What is kept lasts as long as the page.
  }
}

ChatComposer.define("llm-chat-composer");
