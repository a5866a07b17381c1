const ChatElement = customElements.get("llm-chat-element");

const DRAFT = "llm-chat draft ";

/** `<llm-chat-composer>`: the form of a new message. The device keeps the text until it is sent or queued. */
class ChatComposer extends ChatElement {
  connect() {
    this.hear(this.chat, {
      "chat:state": ({ streaming }) => this.#reflect(streaming),
      "chat:close": ({ final }) => final && this.#keep(),
      "chat:compose": ({ text, error }) => this.#isEdit || this.#lead(text, error),
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

  send(text) {
    this.#field.value = "";
    this.#change(); // first, because sending gives a new chat its address
    if (this.hasAttribute("streaming")) this.tell("chat:queue", { text });
    else this.tell("chat:submit", { text });
  }

  #submit(event) {
    event.preventDefault();
    // What is written stays in the field.
    const starter = event.submitter?.name === "starter" && event.submitter.value;
    const text = starter || this.#field.value;
    this.#focus();
    if (!text.trim()) return;
    if (this.closed) this.#hint("lost");
    else if (starter) this.tell("chat:submit", { text });
    else if (this.#measure() <= this.#limit) this.send(text);
  }

  #lead(text, error) {
    if (text) {
      this.#field.value = [text, this.#field.value].filter((part) => part.trim()).join("\n\n");
      this.#change();
    }
    this.#field.focus();
    if (!error) return;
    this.find("[data-hint=refused]").textContent = error;
    this.#hint("refused"); // until the text changes
  }

  #focus() {
    if (!ChatElement.touch.matches) this.#field.focus({ preventScroll: true });
    else this.find("[role=log]", this.chat).focus({ preventScroll: true, focusVisible: false });
  }

  #change() {
    this.#hint("");
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

  /** A visitor who has signed in keeps what was written before. Other owners have signed out in this browser. */
  #restore() {
    const owners = [this.#owner, this.chat.getAttribute("former")];
    ChatElement.rekey((owner, conversation) => owners.includes(owner) && [this.#owner, conversation]);
    this.attempt(() => {
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
    const key = this.#key(this.closed ? "" : this.#owner);
    this.attempt(() => write(this.closed ? sessionStorage : localStorage, key, text.trim() && text));
  }

  /** The id of a new chat is another one on each load. */
  #key(owner) {
    const page = this.chat.getAttribute("page-url");
    const isNew = page && page !== location.pathname;
    return `${DRAFT}${owner} ${isNew ? "" : this.chat.getAttribute("conversation")}`;
  }

  get #owner() {
    return this.chat.getAttribute("owner") ?? "";
  }

  #measure() {
    const text = this.#field.value;
    const length = text.length > this.#limit ? [...text].length : text.length;
    const isTooLong = length > this.#limit;
    this.toggleAttribute("written", /\S/.test(text));
    if (isTooLong) {
      this.find("[data-length]").textContent = length.toLocaleString(this.chat.lang);
      this.find("[data-limit]").textContent = this.#limit.toLocaleString(this.chat.lang);
    }
    this.#field.ariaInvalid = isTooLong ? "true" : null; // style sheets of sites mark what is valid, too
    if (isTooLong || !this.find("[data-hint=too-long]").hidden) this.#hint(isTooLong ? "too-long" : "");
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

function write(storage, key, text) {
  if (text) storage.setItem(key, text);
  else storage.removeItem(key);
}

ChatComposer.define("llm-chat-composer");

/** `<llm-chat-edit>`: a composer in the place of a question. */
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
    return this.closest("[data-message]");
  }
}

ChatEdit.define("llm-chat-edit");

const FIELDS = "input, textarea, select, [contenteditable]";
const APPLE = /mac|iphone|ipad/i.test(navigator.platform);

/** `<llm-chat-keyboard>`: the keys, which docs/page.md lists, and a place for the focus when its element disappears. */
class ChatKeyboard extends ChatElement {
  /** @type {Record<string, () => boolean>} Each returns whether it has done something. */
  #keys = {
    "Mod+Shift+o": () => this.#click(document.querySelector("a[data-shortcut=new]")),
    "Mod+k": () => this.#search(),
    "Alt+ArrowUp": () => this.#tell("chat:turn", { by: -1 }),
    "Alt+ArrowDown": () => this.#tell("chat:turn", { by: 1 }),
    ArrowUp: () => this.#edit(),
    Escape: () => this.chat.hasAttribute("streaming") && this.#tell("chat:stop"),
    "/": () => this.#tell("chat:compose", { text: "" }),
    "?": () => this.#help(),
  };

  #articles = new MutationObserver(() => this.#rescue());
  /** What had the focus last, in the chat. */
  #last;

  connect() {
    const ground = this.chat.getAttribute("page-url") ? document : this.chat;
    this.hear(ground, {
      keydown: (event) => this.#press(event),
      click: ({ target }) => target.closest("[data-action=shortcuts]") && this.#help(),
    });
    this.hear(this.#dialog, {
      click: ({ target }) => target === this.#dialog && this.#dialog.close(), // `closedby` is not in every browser
    });
    this.hear(this.chat, {
      focusin: ({ target }) => {
        this.#last = target;
      },
      "chat:submit": ({ message }) => message && this.tell("chat:focus"),
      "chat:retry": () => this.tell("chat:focus"),
      "chat:state": () => this.#rescue(),
    });
    for (const box of this.chat.querySelectorAll("llm-chat-transcript, llm-chat-pending")) {
      this.#articles.observe(box, { childList: true });
    }
    if (APPLE) for (const key of this.querySelectorAll("[data-apple]")) key.textContent = key.dataset.apple ?? "";
  }

  disconnect() {
    this.#articles.disconnect();
  }

  #press(event) {
    if (event.defaultPrevented || event.isComposing || event.keyCode === 229) return; // for the input method
    const open = [
      ...document.querySelectorAll("dialog:is(:modal, :focus-within), :popover-open:not([popover=manual])"),
    ];
    if (open.some((each) => !each.contains(this.chat))) return;
    const name = nameOf(event);
    const act = this.#acts(name, event.target) && this.#keys[name];
    if (act ? act() : this.#write(name, event.target)) event.preventDefault();
  }

  #acts(name, target) {
    const field = target.closest(FIELDS);
    if (name.startsWith("Mod+")) return true;
    if (name === "ArrowUp") return field?.matches("llm-chat-composer :placeholder-shown");
    if (name.length === 1) return !field && this.chat.contains(target);
    return !field || (field.closest("llm-chat-composer") && (name === "Escape" || !field.value));
  }

  /** Move the focus to where the browser then writes the character. */
  #write(name, target) {
    if ([...name].length === 1 && name !== " " && !target.closest(FIELDS)) this.tell("chat:compose", { text: "" });
    return false;
  }

  #tell(type, detail) {
    this.tell(type, detail);
    return true;
  }

  #click(button) {
    button?.click();
    return Boolean(button);
  }

  #edit() {
    const stored = ", [data-role=user] [data-action=edit]";
    const wanted = `[data-queued] [value=edit]${this.chat.hasAttribute("streaming") ? "" : stored}`;
    return this.#click([...this.chat.querySelectorAll(wanted)].at(-1));
  }

  #search() {
    const field = document.querySelector("llm-chat-sidebar [name=q]");
    if (!field?.checkVisibility()) field?.closest("[popover]")?.showPopover();
    field?.focus();
    return Boolean(field);
  }

  #help() {
    this.#dialog.showModal();
    this.find("h2").focus(); // so that it is read out first
    return true;
  }

  #rescue() {
    const isLost = [document.body, this.#last].includes(document.activeElement);
    if (isLost && this.#last?.checkVisibility({ visibilityProperty: true }) === false) this.tell("chat:focus");
  }

  get #dialog() {
    return this.find("dialog");
  }
}

function nameOf({ key, code, altKey, ctrlKey, metaKey, shiftKey }) {
  const alt = altKey ? "Alt+" : "";
  if (!ctrlKey && !metaKey) return alt + key;
  const letter = /^[a-z]$/i.test(key) ? key : code.slice(-1); // other alphabets have other letters there
  const mod = (APPLE ? ctrlKey : metaKey) ? "Other" : "Mod";
  return `${mod}+${alt}${shiftKey ? "Shift+" : ""}${letter.toLowerCase()}`;
}

ChatKeyboard.define("llm-chat-keyboard");

/** `<llm-chat-queue>`: the questions that wait for the end of an answer. */
class ChatQueue extends ChatElement {
  connect() {
    this.hear(this.chat, {
      "chat:queue": () => this.tell("chat:say", { text: this.dataset.notice ?? "" }),
      "chat:queued": (question) => this.#show(question),
      "chat:outgoing": ({ message }) => this.#drop(message),
      "chat:discard": ({ message }) => this.#drop(message),
    });
    this.hear(this, { click: ({ target }) => this.#click(target.closest("[data-action]")) });
  }

  #show({ message, text = "" }) {
    const item = this.#item(message) ?? this.cloneElement("queued");
    item.dataset.queued = message;
    this.find("[data-text]", item).textContent = text;
    this.find("ol").append(item);
    this.hidden = false;
  }

  #drop(message) {
    this.#item(message)?.remove();
    this.hidden = !this.querySelector("li");
  }

  #click(button) {
    const item = button?.closest("[data-queued]");
    if (!item) return;
    const message = item.dataset.queued;
    const text = this.find("[data-text]", item).textContent;
    if (button.value === "send") {
      this.tell("chat:retry", { message, role: "user", text, continues: false });
    } else {
      this.tell("chat:discard", { message });
      if (button.value === "edit") this.tell("chat:compose", { text });
      else this.tell("chat:focus");
    }
  }

  #item(message) {
    return this.querySelector(`[data-queued="${CSS.escape(message)}"]`);
  }
}

ChatQueue.define("llm-chat-queue");

/**
 * `<llm-chat-outbox>`: keeps what the visitor asks until the server has it, over lost connections and reloads. Its ids make
 * a repeat harmless.
 */
class ChatOutbox extends ChatElement {
  /** Milliseconds before an ask is repeated; later repeats wait longer. */
  overdue = 10_000;

  /** @type {OutboxEntry[]} */
  #entries = [];
  /** The newest. */
  #asked;
  /** What takes the place of the answer that is being stopped. */
  #next;
  #timer = 0;
  #repeats = 0;

  connect() {
    this.hear(this.chat, {
      "chat:submit": ({ text, message }) =>
        this.#begin(this.#entryOf(this.wellFormed(text), message, Boolean(message))),
      "chat:queue": ({ text }) => this.#queue(entryOf(this.wellFormed(text))),
      "chat:retry": (retry) => this.#retry(retry),
      "chat:discard": ({ message }) => this.#drop(message),
      "chat:request": ({ frame }) => frame.type === "send" && this.#await(),
      "chat:stored": () => this.#acknowledge(),
      "chat:refused": ({ text, code }) => this.#refuse(text, code),
      "chat:close": ({ code }) => this.#lose(code),
      "chat:state": () => this.#reflect(),
      "chat:idle": () => this.#proceed(),
    });
    queueMicrotask(() => this.#restore()); // when the elements after this one listen
  }

  disconnect() {
    clearTimeout(this.#timer);
  }

  #retry({ message, role, text, continues }) {
    if (role === "user") this.#begin(this.#entryOf(text, message));
    else this.#begin({ trigger: "regenerate-message", message, continues, sent: false, attempt: unique() });
  }

  /** Reuse the attempt id when retrying, so the server never runs the same ask twice. */
  #begin(entry) {
    if (this.chat.hasAttribute("streaming")) {
      this.#next = entry;
      this.tell("chat:stop");
    } else {
      const earlier = this.#entries.find((kept) => alike(kept, entry) && kept.text === entry.text);
      this.#ask({ ...entry, attempt: earlier?.attempt ?? entry.attempt });
    }
  }

  #queue(entry) {
    this.#keep([...this.#entries, { ...entry, queued: true, sent: false }]);
    this.tell("chat:queued", entry);
  }

  /** Another tab may have a copy of a question, and have asked it. */
  #proceed() {
    this.#reflect();
    for (const entry of this.#queued) if (this.chat.querySelector(proofOf(entry))) this.tell("chat:discard", entry);
    const next = this.#next ?? (this.hasAttribute("held") ? undefined : this.#queued[0]);
    this.#next = undefined;
    if (next) this.#begin({ ...next, queued: undefined });
  }

  #drop(message) {
    this.#keep(this.#entries.filter((entry) => entry.message !== message));
  }

  #await() {
    if (this.#asked) this.#asked.sent = true;
    this.#keep(this.#entries);
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.tell("chat:reset"), this.overdue * 2 ** Math.min(this.#repeats, 3));
    this.#repeats += 1;
  }

  #acknowledge() {
    this.#settle();
    this.#keep(this.#entries.filter((entry) => entry !== this.#asked));
  }

  /** Another tab may have asked first: then this question is the next. */
  #refuse(text, code) {
    this.#settle();
    const entry = this.#asked;
    const isQuestion = entry && entry.attempt === undefined;
    if (isQuestion && code === "limit") {
      this.#takeBack([entry, ...this.#queued], text);
    } else if (isQuestion && code === "busy") {
      const later = this.#queued;
      this.tell("chat:discard", entry);
      this.#keep(this.#entries.filter(({ queued }) => !queued));
      for (const each of [entry, ...later]) this.#queue(each);
    } else {
      if (entry) entry.refused = text;
      this.#keep(this.#entries);
    }
  }

  /** The session is gone: the composer keeps what was not sent, for whoever signs in. */
  #lose(code) {
    clearTimeout(this.#timer);
    if (code !== ChatElement.noSession) return;
    const entries = this.#entries;
    this.#keep([]);
    for (const { message, text } of entries) {
      if (text === undefined) continue;
      this.tell("chat:discard", { message });
      this.tell("chat:compose", { text });
    }
  }

  /** What cannot be sent now is in the composer again. */
  #takeBack(entries, error) {
    for (const entry of entries) this.tell("chat:discard", entry);
    this.tell("chat:compose", { text: entries.map(({ text }) => text).join("\n\n"), error });
  }

  #reflect() {
    const last = [...this.chat.querySelectorAll("[data-message]")].at(-1);
    const isOver = ["complete", "cut"].includes(last?.dataset.status ?? "");
    this.toggleAttribute("held", !isOver && !this.chat.hasAttribute("streaming"));
  }

  #settle() {
    clearTimeout(this.#timer);
    this.#repeats = 0;
  }

  #ask(entry) {
    this.#asked = entry;
    this.#keep([...this.#entries.filter((kept) => !alike(kept, entry)), entry]);
    this.#takeAddress();
    this.#show(entry, "sending");
    const { trigger, message, sent } = entry;
    this.tell("chat:ask", { trigger, message, sent, frame: frameOf(entry), proof: proofOf(entry) });
  }

  /** Give a new chat its own address, so that a reload returns to this conversation. */
  #takeAddress() {
    const url = new URL(this.chat.getAttribute("page-url") || location.href, location.href);
    if (url.pathname !== location.pathname) history.replaceState(history.state, "", url);
  }

  /** Repeat what an earlier page left, unless the server has it. */
  #restore() {
    this.#keep(this.#stored().filter((entry) => !this.chat.querySelector(proofOf(entry))));
    for (const entry of [...this.#entries]) {
      if (entry.queued) this.tell("chat:queued", entry);
      else if (entry.refused === undefined) this.#ask(entry);
      else this.#show(entry, "unsent");
    }
    this.#reflect();
  }

  /** @param {OutboxEntry} entry */
  #show({ message, text, refused }, status) {
    if (text === undefined) return;
    const edits = Boolean(this.chat.querySelector(`llm-chat-transcript > [data-message="${CSS.escape(message)}"]`));
    this.tell("chat:outgoing", { message, text, status, error: refused, edits });
  }

  #stored() {
    const entries = this.attempt(() => JSON.parse(sessionStorage.getItem(this.#key) ?? ""));
    return Array.isArray(entries) ? entries : [];
  }

  #keep(entries) {
    this.#entries = entries;
    this.attempt(() => write(sessionStorage, this.#key, entries.length ? JSON.stringify(entries) : ""));
  }

  /** With the assistant, for a new chat that is reloaded before it is stored. */
  #entryOf(text, message, edits = false) {
    return { ...entryOf(text, message, edits), assistant: this.chat.getAttribute("assistant") };
  }

  get #queued() {
    return this.#entries.filter(({ queued }) => queued);
  }

  get #key() {
    return `llm-chat ${this.chat.getAttribute("owner")} ${this.chat.getAttribute("conversation")}`;
  }
}

function alike(one, other) {
  return one.message === other.message && Boolean(one.continues) === Boolean(other.continues);
}

function entryOf(text, message = unique(), edits = false) {
  return { trigger: "submit-message", message, text, sent: false, attempt: edits ? unique() : undefined };
}

function frameOf({ message, text, attempt, continues, assistant }) {
  const messages = text === undefined ? [] : [{ id: message, role: "user", parts: [{ type: "text", text }] }];
  const body = { ...(assistant && { assistant }), attempt, ...(continues && { continue: true }) };
  return attempt === undefined ? { messages, body } : { messageId: message, messages, body };
}

/** @param {OutboxEntry} entry */
function proofOf({ message, attempt }) {
  if (attempt !== undefined) return `[data-attempt="${CSS.escape(attempt)}"]`;
  return `[data-message="${CSS.escape(message)}"]:not([data-status=sending], [data-status=unsent])`;
}

/** `crypto.randomUUID` is missing where a site is served without TLS. */
function unique() {
  return crypto.getRandomValues(new BigUint64Array(2)).join("-");
}

ChatOutbox.define("llm-chat-outbox");
