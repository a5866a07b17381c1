const ChatElement = customElements.get("llm-chat-element");

/**
 * `<llm-chat-outbox>`: turns what the visitor does into asks, and keeps each until the server has it: over lost connections,
 * and by the session storage over reloads. Ids that are made here make a repeat harmless. What is asked while an answer runs is
 * asked after it, unless the answer was stopped or failed: then the attribute `held` says that the visitor decides.
 */
class ChatOutbox extends ChatElement {
  /** Milliseconds that an acknowledgement may take; each repeat waits longer. */
  overdue = 10_000;

  /** @type {OutboxEntry[]} */
  #entries = [];
  /** @type {OutboxEntry | undefined} The newest. */
  #asked;
  /** @type {OutboxEntry | undefined} What takes the place of the answer that is being stopped. */
  #next;
  #timer = 0;
  #repeats = 0;

  connect() {
    this.hear(this.chat, {
      "chat:submit": ({ text, message }) => this.#begin(question(this.wellFormed(text), message, Boolean(message))),
      "chat:queue": ({ text }) => this.#queue(question(this.wellFormed(text))),
      "chat:retry": (retry) => this.#retry(retry),
      "chat:discard": ({ message }) => this.#drop(message),
      "chat:request": ({ frame }) => frame.type === "send" && this.#await(),
      "chat:stored": () => this.#acknowledge(),
      "chat:refused": ({ text, code }) => this.#refuse(text, code),
      "chat:close": () => clearTimeout(this.#timer),
      "chat:state": () => this.#reflect(),
      "chat:idle": () => this.#proceed(),
    });
    this.#restore();
  }

  disconnect() {
    clearTimeout(this.#timer);
  }

  #retry({ message, role, text, continues }) {
    if (role === "user") this.#begin(question(text, message));
    else this.#begin({ trigger: "regenerate-message", message, continues, sent: false, attempt: unique() });
  }

  /** Reuse the attempt id when retrying, so the server never runs the same ask twice. Stop an answer that runs. */
  #begin(entry) {
    if (this.chat.hasAttribute("streaming")) {
      this.#next = entry;
      this.tell("chat:stop");
    } else {
      const earlier = this.#entries.find((kept) => alike(kept, entry) && kept.text === entry.text);
      this.#ask({ ...entry, attempt: earlier?.attempt ?? entry.attempt });
    }
  }

  #queue(entry, others = this.#entries) {
    this.#keep([...others, { ...entry, queued: true, sent: false }]);
    this.tell("chat:queued", entry);
  }

  /** Nothing runs: ask the next question, unless another tab that has a copy has asked it. */
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
    if (entry && code === "busy" && entry.attempt === undefined) {
      const later = this.#queued;
      this.tell("chat:discard", entry);
      this.#keep(this.#entries.filter((kept) => !later.includes(kept)));
      for (const each of [entry, ...later]) this.#queue(each);
    } else {
      if (entry) entry.refused = text;
      this.#keep(this.#entries);
    }
  }

  #reflect() {
    const last = [...this.chat.querySelectorAll("[data-message]")].at(-1);
    const isOver = ["complete", "cut"].includes(last?.dataset.status ?? "");
    this.toggleAttribute("held", !isOver && !this.chat.hasAttribute("streaming"));
  }

  // Internals

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
    try {
      const entries = JSON.parse(sessionStorage.getItem(this.#key) ?? "[]");
      return Array.isArray(entries) ? entries : [];
    } catch {
      return [];
    }
  }

  #keep(entries) {
    this.#entries = entries;
    try {
      if (entries.length) sessionStorage.setItem(this.#key, JSON.stringify(entries));
      else sessionStorage.removeItem(this.#key);
    } catch {
      // Full, or closed to this site: the entries last as long as the page.
    }
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

/** @returns {OutboxEntry} */
function question(text, message = unique(), edits = false) {
  return { trigger: "submit-message", message, text, sent: false, attempt: edits ? unique() : undefined };
}

function frameOf({ message, text, attempt, continues }) {
  const messages = text === undefined ? [] : [{ id: message, role: "user", parts: [{ type: "text", text }] }];
  if (attempt === undefined) return { messages };
  return { messageId: message, messages, body: { attempt, ...(continues && { continue: true }) } };
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
