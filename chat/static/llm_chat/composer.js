const ChatElement = customElements.get("llm-chat-element");

const DRAFT = "llm-chat draft ";

/**
 * `<llm-chat-composer>`: a form with a text and one button, which sends or, while an answer runs, stops. The text is never
 * locked and leaves the field only when it is sent; until then the device keeps it.
 */
class ChatComposer extends ChatElement {
  /** There Enter is the only way to break a line, and the button is near. */
  static touch = matchMedia("(hover: none) and (pointer: coarse)");
  /** The session is gone: this tab keeps the draft, for the reader will have another name. */
  #lost = false;

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
    this.hear(this.querySelector("[type=submit]"), { click: (event) => this.#click(event) });
    if (!this.#inside) this.#restore();
    this.#reflect(this.chat.hasAttribute("streaming"));
  }

  #submit(event) {
    event.preventDefault();
    const text = this.#field.value;
    this.#field.focus();
    if (!text.trim()) return;
    if (this.#lost) return this.#hint("lost");
    if (this.hasAttribute("streaming")) return this.#hint("busy");
    if (this.#measure() <= this.#limit) this.send(text);
  }

  send(text) {
    this.#field.value = "";
    this.#input(); // first, for sending gives a new chat its address
    this.tell("chat:submit", { text });
  }

  escape() {
    if (this.hasAttribute("streaming")) this.tell("chat:stop");
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

  #lose(final) {
    this.#lost = final;
    if (final) this.#keep();
  }

  // Internals

  /** Drafts of other owners go: whoever wrote them has signed out here. */
  #restore() {
    tried(() => {
      for (const key of Object.keys(localStorage)) {
        if (key.startsWith(DRAFT) && !key.startsWith(DRAFT + this.chat.getAttribute("owner")))
          localStorage.removeItem(key);
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
    tried(() => {
      const [storage, key] = this.#lost ? [sessionStorage, this.#key("")] : [localStorage, this.#key()];
      if (text.trim()) storage.setItem(key, text);
      else storage.removeItem(key);
    });
  }

  /** A new chat has another id on each load. */
  #key(owner = this.chat.getAttribute("owner")) {
    const page = this.chat.getAttribute("page-url");
    return `${DRAFT + owner} ${page && page !== location.pathname ? "" : this.chat.getAttribute("conversation")}`;
  }

  /** Grow with the text and tell when it is too long. */
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

  #fit() {
    this.#field.style.blockSize = "auto";
    this.#field.style.blockSize = `${this.#field.scrollHeight}px`;
  }

  #hint(name) {
    for (const hint of this.querySelectorAll("[data-hint]")) hint.hidden = hint.dataset.hint !== name;
  }

  get #limit() {
    return Number(this.getAttribute("max-length")) || Infinity;
  }

  /** It edits the message around it. */
  get #inside() {
    return this.closest("[data-message]");
  }

  get #form() {
    return this.querySelector("form");
  }

  get #field() {
    return this.querySelector("textarea");
  }
}

/** The storage may be full or closed to this site: then a draft lasts as long as the page. */
function tried(act) {
  try {
    act();
  } catch {}
}

ChatComposer.define("llm-chat-composer");

/** `<llm-chat-edit>`: a composer in the place of a question. The transcript sets `sending`. */
class ChatEdit extends ChatComposer {
  start() {
    super.start();
    this.hear(this, { click: ({ target }) => target.closest("[data-cancel]") && this.escape() });
  }

  send(text) {
    if (text === this.#article.querySelector("[data-blocks]").textContent) this.escape();
    else this.tell("chat:rewrite", { message: this.#article.dataset.message, text });
  }

  escape() {
    const article = this.#article;
    this.tell("chat:discard", { message: article.dataset.message });
    this.remove();
    article.querySelector("[data-action=edit]")?.focus();
  }

  get #article() {
    return this.closest("[data-message]");
  }
}

ChatEdit.define("llm-chat-edit");
