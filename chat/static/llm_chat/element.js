const RULES = { createHTML: (html) => html };
/** The keys of drafts and of unsent messages: kind, owner, conversation. */
const KEPT = /^(llm-chat (?:draft )?)([0-9a-f]{16}) (.*)$/;
let policy; // made when it is first used: a page has one of a name

/** The base class of the chat's elements. types/chat.d.ts declares what its members do, docs/page.md the events. */
class ChatElement extends HTMLElement {
  /** The close code of a server that finds no session, or another owner's. */
  static noSession = 4401;
  static touch = matchMedia("(hover: none) and (pointer: coarse)");

  #listening;

  static define(name) {
    if (!customElements.get(name)) customElements.define(name, this);
  }

  static rekey(change) {
    for (const name of ["localStorage", "sessionStorage"]) {
      try {
        const kept = window[name];
        for (const key of Object.keys(kept)) move(kept, key, change);
      } catch {
        // the storage is full, or closed to this site
      }
    }
  }

  connectedCallback() {
    this.connect();
  }

  disconnectedCallback() {
    this.#listening?.abort();
    this.#listening = undefined;
    this.disconnect();
  }

  connect() {}

  disconnect() {}

  get chat() {
    return this.closest("llm-chat");
  }

  get online() {
    return Boolean(this.chat.querySelector("llm-chat-connection[connected]"));
  }

  get closed() {
    return Boolean(this.chat.querySelector("llm-chat-connection[closed]"));
  }

  hear(target, listeners, options) {
    this.#listening ??= new AbortController();
    const { signal } = this.#listening;
    for (const type in listeners) {
      const listener = (event) => listeners[type](type.startsWith("chat:") ? event.detail : event);
      target.addEventListener(type, listener, { signal, ...options });
    }
  }

  tell(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { bubbles: true, detail }));
  }

  request(frame) {
    return new Promise((resolve, reject) => {
      this.tell("chat:request", { frame, resolve, reject });
    });
  }

  async post(url, fields) {
    const body = fields instanceof FormData ? fields : new FormData();
    for (const [name, value] of Object.entries({ ...fields })) body.set(name, value);
    for (const name of ["csrfmiddlewaretoken", "chat_owner"]) {
      const field = /** @type {HTMLInputElement | null} */ (document.querySelector(`[name=${name}]`));
      if (field) body.set(name, field.value);
    }
    try {
      const response = await fetch(url, { method: "post", body, headers: { "X-Requested-With": "llm-chat" } });
      return { done: response.ok, html: await response.text() };
    } catch {
      return { done: false, html: "" };
    }
  }

  find(selector, /** @type {ParentNode} */ root = this) {
    const found = root.querySelector(selector);
    if (!found) throw new Error(`The page has no ${selector}: does a template of the site's leave it out?`);
    return found;
  }

  article(id) {
    return this.querySelector(`:scope > [data-message="${CSS.escape(id)}"]`);
  }

  clone(name, root = this.chat) {
    return document.importNode(this.find(`[data-template="${name}"]`, root).content, true);
  }

  cloneElement(name) {
    return this.find("*", this.clone(name));
  }

  /** Trusted Types let no other HTML become elements. */
  fragment(html) {
    policy ??= window.trustedTypes?.createPolicy("llm-chat", RULES) ?? RULES;
    const template = document.createElement("template");
    template.innerHTML = policy.createHTML(html);
    return template.content;
  }

  attempt(act) {
    try {
      return act();
    } catch {
      return undefined;
    }
  }

  wellFormed(text) {
    return text.toWellFormed();
  }
}

function move(kept, key, change) {
  const [, kind, owner, conversation] = KEPT.exec(key) ?? [];
  if (!kind) return;
  const place = change(owner, conversation);
  const next = place ? kind + place.join(" ") : "";
  if (next === key) return;
  if (next && kept.getItem(next) === null) kept.setItem(next, kept.getItem(key));
  kept.removeItem(key);
}

ChatElement.define("llm-chat-element");
