/**
 * What the chat's elements share. They find it in the registry, for imports would break where static files are hashed.
 */
class ChatElement extends HTMLElement {
  #life = new AbortController();

  /** Define the class it is called on, unless the page has loaded it before. @param {string} name */
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

  /** On the page. */
  start() {}

  /** Off the page, where nothing is heard any more. */
  stop() {}

  get chat() {
    return /** @type {HTMLElement} */ (this.closest("llm-chat"));
  }

  /**
   * Listen while on the page: to an event of the chat's with its detail, to one of the browser's with the event.
   * @param {EventTarget} target @param {Record<string, (value: any) => void>} actions @param {object} [options]
   */
  hear(target, actions, options) {
    for (const [type, act] of Object.entries(actions)) {
      const listener = (event) => act(type.startsWith("chat:") ? event.detail : event);
      target.addEventListener(type, listener, { signal: this.#life.signal, ...options });
    }
  }

  /** @param {string} type @param {unknown} [detail] */
  tell(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { bubbles: true, detail }));
  }

  /** Ask the server for something beside its answers. @param {object} frame @returns {Promise<any[]>} the data of its chunks */
  aside(frame) {
    return new Promise((resolve, reject) => this.tell("chat:aside", { frame, resolve, reject }));
  }

  /** A child by its message's id. @param {string} [id] @returns {HTMLElement | null} */
  article(id = "") {
    return this.querySelector(`:scope > [data-message="${CSS.escape(id)}"]`);
  }

  /** What the server has put into a `<template data-template>`. @param {string} name @returns {DocumentFragment} */
  clone(name) {
    const template = this.chat.querySelector(`template[data-template="${name}"]`);
    return document.importNode(/** @type {HTMLTemplateElement} */ (template).content, true);
  }
}

ChatElement.define("llm-chat-element");
