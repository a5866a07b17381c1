const ChatElement = customElements.get("llm-chat-element");

/**
 * `<llm-chat-outbox>`: makes asks of what the reader does, and keeps each until the server has it: over lost connections, and
 * in the session's storage of this tab over reloads. Ids made here are what makes a repeat harmless.
 */
class ChatOutbox extends ChatElement {
  /** Milliseconds that an acknowledgement may take; each repeat waits longer. */
  overdue = 10_000;

  #entries = [];
  /** The one that was asked last. */
  #asked;
  #clock = 0;
  #repeats = 0;

  start() {
    this.hear(this.chat, {
      "chat:submit": ({ text }) => this.#submit(unique(), text),
      "chat:rewrite": ({ message, text }) => this.#submit(message, text, true),
      "chat:retry": ({ message, role, text }) =>
        role === "user" ? this.#submit(message, text) : this.#regenerate(message),
      "chat:continue": ({ message }) => this.#regenerate(message, true),
      "chat:discard": ({ message }) => this.#drop(message),
      "chat:sent": () => this.#await(),
      "chat:stored": () => this.#acknowledge(),
      "chat:refused": ({ text }) => this.#refuse(text),
      "chat:close": () => clearTimeout(this.#clock),
    });
    this.#restore();
  }

  stop() {
    clearTimeout(this.#clock);
  }

  #submit(message, text, edits = false) {
    this.#begin({ trigger: "submit-message", message, text: this.wellFormed(text), sent: false }, edits);
  }

  #regenerate(message, continues = false) {
    this.#begin({ trigger: "regenerate-message", message, continues, sent: false }, true);
  }

  /** Another try has the attempt of the one before, which may have been heard: nothing is paid for twice. */
  #begin(entry, attempts) {
    if (this.chat.hasAttribute("streaming")) return;
    const kept = this.#entries.find((kept) => alike(kept, entry) && kept.text === entry.text);
    this.#ask({ ...entry, attempt: kept?.attempt ?? (attempts ? unique() : undefined) });
  }

  #drop(message) {
    this.#keep(this.#entries.filter((entry) => entry.message !== message));
  }

  #await() {
    if (this.#asked) this.#asked.sent = true;
    this.#keep(this.#entries);
    clearTimeout(this.#clock);
    this.#clock = setTimeout(() => this.tell("chat:reset"), this.overdue * 2 ** Math.min(this.#repeats++, 3));
  }

  #acknowledge() {
    clearTimeout(this.#clock);
    this.#repeats = 0;
    this.#keep(this.#entries.filter((entry) => entry !== this.#asked));
  }

  #refuse(text) {
    clearTimeout(this.#clock);
    this.#repeats = 0;
    if (this.#asked) this.#asked.refused = text;
    this.#keep(this.#entries);
  }

  // Internals

  #ask(entry) {
    this.#asked = entry;
    this.#keep([...this.#entries.filter((kept) => !alike(kept, entry)), entry]);
    this.#turnTo();
    const { trigger, message, sent } = entry;
    this.#show("chat:sending", entry);
    this.tell("chat:ask", { trigger, message, sent, frame: frameOf(entry), proof: proofOf(entry) });
  }

  /** A reload is to come back to this conversation. */
  #turnTo() {
    const url = new URL(this.chat.getAttribute("page-url") || location.href, location.href);
    if (url.pathname !== location.pathname) history.replaceState(history.state, "", url);
  }

  /** What an earlier page left, and the server has not. */
  #restore() {
    this.#keep(this.#stored().filter((entry) => !this.chat.querySelector(proofOf(entry))));
    for (const entry of [...this.#entries]) {
      if (entry.refused === undefined) this.#ask(entry);
      else this.#show("chat:unsent", entry);
    }
  }

  #show(type, { message, text, refused: error }) {
    const edits = Boolean(this.chat.querySelector(`llm-chat-transcript > [data-message="${CSS.escape(message)}"]`));
    if (text !== undefined) this.tell(type, { message, text, edits, error });
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
      // Full or closed: what is kept lasts as long as the page.
    }
  }

  get #key() {
    return `llm-chat ${this.chat.getAttribute("owner")} ${this.chat.getAttribute("conversation")}`;
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

function proofOf({ message, attempt }) {
  if (attempt !== undefined) return `[data-attempt="${CSS.escape(attempt)}"]`;
  return `[data-message="${CSS.escape(message)}"]:not([data-status=sending], [data-status=unsent])`;
}

/** `crypto.randomUUID` is missing where a site is served without TLS. */
function unique() {
  return crypto.getRandomValues(new BigUint64Array(2)).join("-");
}

ChatOutbox.define("llm-chat-outbox");
