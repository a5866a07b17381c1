const ChatElement = customElements.get("llm-chat-element");

/**
 * `<llm-chat-outbox>`: turns what the visitor does into asks, and keeps each until the server has it: over lost connections,
 * and by the session storage over reloads. Ids that are made here make a repeat harmless.
 */
class ChatOutbox extends ChatElement {
  /** Milliseconds that an acknowledgement may take; each repeat waits longer. */
  overdue = 10_000;

  /** @type {OutboxEntry[]} */
  #entries = [];
  /** @type {OutboxEntry | undefined} The newest. */
  #asked;
  /** @type {{ entry: OutboxEntry, edits: boolean } | undefined} What takes the place of the answer that is being stopped. */
  #next;
  #timer = 0;
  #repeats = 0;

  connect() {
    this.hear(this.chat, {
      "chat:submit": ({ text, message, id }) => this.#submit(text, message ?? id, Boolean(message)),
      "chat:retry": (retry) => this.#retry(retry),
      "chat:discard": ({ message }) => this.#drop(message),
      "chat:request": ({ frame }) => frame.type === "send" && this.#await(),
      "chat:stored": () => this.#acknowledge(),
      "chat:refused": ({ text }) => this.#refuse(text),
      "chat:close": () => clearTimeout(this.#timer),
      "chat:idle": () => this.#proceed(),
    });
    this.#restore();
  }

  disconnect() {
    clearTimeout(this.#timer);
  }

  /** Stop the answer that runs, if there is one: the visitor does not want to wait for it. */
  #submit(text, message = this.unique(), edits = false) {
    /** @type {OutboxEntry} */
    const entry = { trigger: "submit-message", message, text: this.wellFormed(text), sent: false };
    if (!this.chat.hasAttribute("streaming")) {
      this.#begin(entry, edits);
    } else {
      this.#next = { entry, edits };
      this.tell("chat:stop");
    }
  }

  #proceed() {
    const next = this.#next;
    this.#next = undefined;
    if (next) this.#begin(next.entry, next.edits);
  }

  #retry({ message, role, text, continues }) {
    if (role === "user") this.#submit(text, message, false);
    else this.#begin({ trigger: "regenerate-message", message, continues, sent: false }, true);
  }

  /** Reuse the attempt id when retrying, so the server never runs the same ask twice. */
  #begin(entry, needsAttempt) {
    if (this.chat.hasAttribute("streaming")) return;
    const earlier = this.#entries.find((kept) => alike(kept, entry) && kept.text === entry.text);
    this.#ask({ ...entry, attempt: earlier?.attempt ?? (needsAttempt ? this.unique() : undefined) });
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

  #refuse(text) {
    this.#settle();
    if (this.#asked) this.#asked.refused = text;
    this.#keep(this.#entries);
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
    this.#keep(this.kept("outbox").filter((entry) => !this.chat.querySelector(proofOf(entry))));
    for (const entry of [...this.#entries]) {
      if (entry.refused === undefined) this.#ask(entry);
      else this.#show(entry, "unsent");
    }
  }

  /** @param {OutboxEntry} entry */
  #show({ message, text, refused }, status) {
    if (text === undefined) return;
    const edits = Boolean(this.chat.querySelector(`llm-chat-transcript > [data-message="${CSS.escape(message)}"]`));
    this.tell("chat:outgoing", { message, text, status, error: refused, edits });
  }

  #keep(entries) {
    this.#entries = entries;
    this.keep("outbox", entries);
  }
}

function alike(one, other) {
  return one.message === other.message && Boolean(one.continues) === Boolean(other.continues);
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

ChatOutbox.define("llm-chat-outbox");
