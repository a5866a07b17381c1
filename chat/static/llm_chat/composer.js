const ChatElement = customElements.get("llm-chat-element");

const DRAFT = "llm-chat draft ";

/**
 * `<llm-chat-composer>`: a form with a text and a button, which sends or, while an answer is being made and nothing is written,
 * stops. The text is never locked and leaves the field only when it is sent or queued; until then the device keeps it.
 */
class ChatComposer extends ChatElement {
  connect() {
    this.hear(this.chat, {
      "chat:state": ({ streaming }) => this.#reflect(streaming),
      "chat:close": ({ final }) => final && this.#keep(),
      "chat:compose": ({ text }) => this.#isEdit || this.#lead(text),
      "chat:focus": () => this.#isEdit || this.#focus(),
      dragover: (event) => this.#refuseFiles(event, event.dataTransfer),
      drop: (event) => this.#refuseFiles(event, event.dataTransfer),
    });
    this.hear(this.#form, { submit: (event) => this.#submit(event) });
    this.hear(this.#field, {
      input: () => this.#change(),
      keydown: (event) => this.#press(event),
      paste: (event) => this.#refuseFiles(event, event.clipboardData),
    });
    this.hear(this.find("[type=submit]"), { click: (event) => this.#click(event) });
    this.hear(this, { click: ({ target }) => target.closest("[data-action=stop]") && this.tell("chat:stop") });
    if (!this.#isEdit) this.#restore();
    this.#reflect(this.chat.hasAttribute("streaming"));
  }

  /** @param {string} text */
  send(text) {
    this.#field.value = "";
    this.#change(); // first, because sending gives a new chat its address
    if (this.hasAttribute("streaming")) this.tell("chat:queue", { text });
    else this.tell("chat:submit", { text });
  }

  #submit(event) {
    event.preventDefault();
    const text = this.#field.value;
    this.#focus();
    if (!text.trim()) return;
    if (this.closed) this.#hint("lost");
    else if (this.#measure() <= this.#limit) this.send(text);
  }

  /** Put a text, if there is one, before what is written, and let the visitor write. */
  #lead(text) {
    if (text) {
      this.#field.value = [text, this.#field.value].filter((part) => part.trim()).join("\n\n");
      this.#change();
    }
    this.#field.focus();
  }

  /** Take the focus; on a touch screen the log does, because the field would open the keyboard. */
  #focus() {
    if (!ChatElement.touch.matches) this.#field.focus({ preventScroll: true });
    else this.find("[role=log]", this.chat).focus({ preventScroll: true, focusVisible: false });
  }

  #change() {
    this.#measure();
    this.#keep();
  }

  /** The browser would leave the page for a file that is dropped. */
  #refuseFiles(event, transfer) {
    const types = transfer?.types ?? [];
    if (!types.includes("Files") || (event.type === "paste" && types.includes("text/plain"))) return;
    event.preventDefault();
    if (event.type !== "dragover") this.#hint("files");
  }

  #press(event) {
    if (event.isComposing || event.keyCode === 229) return; // for the input method
    if (event.key !== "Enter" || event.shiftKey || event.altKey) return;
    // On a screen's keyboard nothing else breaks a line, and the button is near.
    if (ChatElement.touch.matches && !event.ctrlKey && !event.metaKey) return;
    event.preventDefault();
    this.#form.requestSubmit();
  }

  #click(event) {
    if (!this.hasAttribute("streaming") || this.hasAttribute("written")) return;
    event.preventDefault();
    if (event.detail < 2) this.tell("chat:stop"); // not at the end of a double click on Send
  }

  #reflect(streaming) {
    const isLeaving = !streaming && document.activeElement?.matches("[data-action=stop]");
    this.toggleAttribute("streaming", streaming);
    this.#measure();
    if (isLeaving) this.find("[type=submit]").focus();
  }

  // Drafts

  /** Bring the draft back. Owners of other drafts have signed out in this browser: remove theirs. */
  #restore() {
    attempt(() => {
      const own = DRAFT + this.#owner;
      for (const key of Object.keys(localStorage)) {
        if (key.startsWith(DRAFT) && !key.startsWith(own)) localStorage.removeItem(key);
      }
      this.#field.value ||= sessionStorage.getItem(this.#key("")) ?? localStorage.getItem(this.#key(this.#owner)) ?? "";
      sessionStorage.removeItem(this.#key(""));
    });
    this.#keep();
    if (this.chat.getAttribute("page-url") && !ChatElement.touch.matches) this.#field.focus({ preventScroll: true });
  }

  /** Without a session the next page will have another owner: then this tab keeps the draft. */
  #keep() {
    if (this.#isEdit) return;
    const text = this.#field.value;
    attempt(() => {
      const storage = this.closed ? sessionStorage : localStorage;
      const key = this.#key(this.closed ? "" : this.#owner);
      if (text.trim()) storage.setItem(key, text);
      else storage.removeItem(key);
    });
  }

  /** Return the key of the draft. The id of a new chat is another one on each load. */
  #key(owner) {
    const page = this.chat.getAttribute("page-url");
    const isNew = page && page !== location.pathname;
    return `${DRAFT}${owner} ${isNew ? "" : this.chat.getAttribute("conversation")}`;
  }

  get #owner() {
    return this.chat.getAttribute("owner") ?? "";
  }

  // The field

  /** Grow with the text, and say when it is too long. Return its length. */
  #measure() {
    const text = this.#field.value;
    const length = text.length > this.#limit ? [...text].length : text.length;
    const isTooLong = length > this.#limit;
    this.toggleAttribute("written", /\S/.test(text));
    if (isTooLong) this.#count({ length, limit: this.#limit });
    this.#field.setAttribute("aria-invalid", String(isTooLong));
    this.#hint(isTooLong ? "too-long" : "");
    if (!CSS.supports("field-sizing", "content")) this.#fit();
    return length;
  }

  /** Show numbers in the language of the page, both alike. */
  #count(numbers) {
    const { format } = new Intl.NumberFormat(this.chat.lang);
    for (const [name, number] of Object.entries(numbers)) this.find(`[data-${name}]`).textContent = format(number);
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

  get #isEdit() {
    return Boolean(this.closest("[data-message]"));
  }

  get #form() {
    return this.find("form");
  }

  get #field() {
    return this.find("textarea");
  }
}

function attempt(act) {
  try {
    act();
  } catch {
    // The storage is full, or closed to this site: a draft lasts as long as the page.
  }
}

ChatComposer.define("llm-chat-composer");

/** `<llm-chat-edit>`: a composer in the place of a question. The transcript sets its attribute `sending`. */
class ChatEdit extends ChatComposer {
  connect() {
    super.connect();
    this.hear(this, {
      click: ({ target }) => target.closest("[data-cancel]") && this.cancel(),
      keydown: (event) => this.#escape(event),
    });
  }

  #escape(event) {
    if (event.key !== "Escape" || event.isComposing) return;
    event.preventDefault(); // the answer that runs does not stop
    this.cancel();
  }

  /** @param {string} text */
  send(text) {
    if (text === this.find("[data-blocks]", this.#question).textContent) this.cancel();
    else this.tell("chat:submit", { text, message: this.#question.dataset.message });
  }

  cancel() {
    const question = this.#question;
    this.tell("chat:discard", { message: question.dataset.message ?? "" });
    this.remove();
    question.querySelector("[data-action=edit]")?.focus();
  }

  get #question() {
    return /** @type {HTMLElement} */ (this.closest("[data-message]"));
  }
}

ChatEdit.define("llm-chat-edit");
