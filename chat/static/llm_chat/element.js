const RULES = { createHTML: (html) => html };
/** @type {typeof RULES} Made when it is first used: a page has one policy of a name. */
let policy;

/**
 * The base class of the chat's elements, which find it in the registry. docs/page.md explains why, and their events.
 *
 * @typedef {typeof ChatElement} ChatElementClass
 */
class ChatElement extends HTMLElement {
  /** Whether the keyboard is one on the screen, which a focused field opens. */
  static touch = matchMedia("(hover: none) and (pointer: coarse)");

  #listening = new AbortController();

  /** @param {string} name */
  static define(name) {
    if (!customElements.get(name)) customElements.define(name, this);
  }

  connectedCallback() {
    this.#listening = new AbortController();
    this.connect();
  }

  disconnectedCallback() {
    this.#listening.abort();
    this.disconnect();
  }

  connect() {}

  /** Stop timers and observers; what `hear` added is removed already. */
  disconnect() {}

  get chat() {
    return this.closest("llm-chat");
  }

  /** Whether the chat has a connection. */
  get online() {
    return Boolean(this.chat.querySelector("llm-chat-connection[connected]"));
  }

  /** Whether only a reload can give it one. */
  get closed() {
    return Boolean(this.chat.querySelector("llm-chat-connection[closed]"));
  }

  /**
   * Listen while on the page. An event of the chat's is passed as its detail.
   *
   * @param {EventTarget} target
   * @param {Listeners} listeners
   * @param {object} [options]
   */
  hear(target, listeners, options) {
    for (const type in listeners) {
      const listener = (event) => listeners[type](type.startsWith("chat:") ? event.detail : event);
      target.addEventListener(type, listener, { signal: this.#listening.signal, ...options });
    }
  }

  /**
   * @template {keyof ChatEventMap} Name
   * @param {Name} type
   * @param {Detail<Name>} detail
   */
  tell(type, ...[detail]) {
    this.dispatchEvent(new CustomEvent(type, { bubbles: true, detail }));
  }

  /**
   * Send a request beside the current one.
   *
   * @param {ClientFrame} frame
   * @returns {Promise<any[]>} The data of the chunks that answer. It is rejected with the server's sentence.
   */
  request(frame) {
    return new Promise((resolve, reject) => {
      this.tell("chat:request", { frame, resolve, reject });
    });
  }

  /**
   * @param {string} url
   * @param {FormData | Record<string, string>} fields
   * @returns {Promise<{ done: boolean, html: string }>} The server's answer, empty if none came.
   */
  async post(url, fields) {
    const body = fields instanceof FormData ? fields : new FormData();
    const token = this.find("[name=csrfmiddlewaretoken]", document);
    for (const [name, value] of Object.entries({ ...fields, [token.name]: token.value })) body.set(name, value);
    try {
      const response = await fetch(url, { method: "post", body, headers: { "X-Requested-With": "llm-chat" } });
      return { done: response.ok, html: await response.text() };
    } catch {
      return { done: false, html: "" };
    }
  }

  /**
   * Return an element that the templates have.
   *
   * @template {string} Selector
   * @param {Selector} selector
   * @param {ParentNode} [root]
   * @returns {Found<Selector>}
   */
  find(selector, root = this) {
    /** @type {any} */
    const found = root.querySelector(selector);
    if (!found) throw new Error(`The page has no ${selector}: does a template of the site's leave it out?`);
    return found;
  }

  /** @param {string} id A message among the children. */
  article(id) {
    return this.querySelector(`:scope > [data-message="${CSS.escape(id)}"]`);
  }

  /**
   * @param {string} name A `<template data-template>`.
   * @param {HTMLElement} [root]
   */
  clone(name, root = this.chat) {
    return document.importNode(this.find(`[data-template="${name}"]`, root).content, true);
  }

  /** @param {string} name */
  cloneElement(name) {
    return this.find("*", this.clone(name));
  }

  /** @param {string} html The server's: Trusted Types let nothing else become elements. */
  fragment(html) {
    policy ??= window.trustedTypes?.createPolicy("llm-chat", RULES) ?? RULES;
    const template = document.createElement("template");
    template.innerHTML = policy.createHTML(html);
    return template.content;
  }

  /** @param {string} text It may have half an emoji, which cannot be stored. */
  wellFormed(text) {
    return text.toWellFormed();
  }
}

ChatElement.define("llm-chat-element");
