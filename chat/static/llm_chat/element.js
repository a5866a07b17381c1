/** What the chat's elements share: imports would break where static files are hashed. Their events: docs/page.md. */
class ChatElement extends HTMLElement {
  #life = new AbortController();

  static define(name) {
    if (!customElements.get(name)) customElements.define(name, this);
  }

  connectedCallback() {
    this.#life = new AbortController();
    this.start();
  }

  disconnectedCallback() {
    this.#life.abort();
    this.stop();
  }

  start() {}

  stop() {}

  get chat() {
    return this.closest("llm-chat");
  }

  /**
   * Listen while on the page: to an event of the chat's with its detail, to one of the browser's with the event.
   */
  hear(target, actions, options) {
    for (const [type, act] of Object.entries(actions)) {
      const listener = (event) => act(type.startsWith("chat:") ? event.detail : event);
      target.addEventListener(type, listener, { signal: this.#life.signal, ...options });
    }
  }

  tell(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { bubbles: true, detail }));
  }

  /** A text as it can be sent and stored: half an emoji, which a limit or a deletion may leave, is replaced. */
  wellFormed(text) {
    return text.replace(/\p{Surrogate}/gu, "\ufffd");
  }

  /** Ask the server for something beside its answers. */
  aside(frame) {
    return new Promise((resolve, reject) => this.tell("chat:aside", { frame, resolve, reject }));
  }

  /** A child by its message's id. */
  article(id = "") {
    return this.querySelector(`:scope > [data-message="${CSS.escape(id)}"]`);
  }

  /** What a `<template data-template>` holds. */
  clone(name) {
    const template = this.chat.querySelector(`template[data-template="${name}"]`);
    return document.importNode(template.content, true);
  }
}

ChatElement.define("llm-chat-element");
