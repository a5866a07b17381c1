/** Where the dialog covers the page, and is modal. */
const SMALL = matchMedia("(width < 34rem), (height < 30rem)");
const SCREEN = /** @type {VisualViewport} */ (visualViewport);

/** `<llm-chat-widget>`: opens a chat over the page, and loads it when it is first opened. docs/widget.md explains it. */
class ChatWidget extends HTMLElement {
  #listening;
  /** Settles when the chat is there, or could not be loaded. */
  #loading;
  /** What had the focus before the dialog. */
  #before;

  connectedCallback() {
    this.#listening = new AbortController();
    this.querySelector(":scope > a")?.setAttribute("role", "button");
    this.#hear(this, "click", ({ target }) => this.#click(target.closest("[data-do]")?.dataset.do));
    this.#hear(this, "keydown", (event) => this.#press(event));
    this.#hear(this, "chat:state", ({ detail }) => this.#follow(detail.streaming));
    this.#hear(this.#dialog, "close", () => this.#dialog.open || this.close()); // the browser has closed it
    this.#hear(SMALL, "change", () => this.hasAttribute("open") && this.#present());
    for (const type of ["resize", "scroll"]) this.#hear(SCREEN, type, () => this.#fit());
    this.#comeBack();
  }

  disconnectedCallback() {
    this.#listening.abort();
  }

  // Actions, also for the site's scripts

  async open(text = "") {
    const elsewhere = this.#chat && !this.contains(this.#chat);
    if (!elsewhere) {
      if (!this.hasAttribute("open")) this.#show();
      this.#dialog.focus();
      await this.#load();
    }
    if (elsewhere || this.contains(document.activeElement)) this.#send(text ? "chat:compose" : "chat:focus", { text });
  }

  close() {
    if (!this.hasAttribute("open")) return;
    const focused = document.activeElement;
    this.removeAttribute("open");
    this.#dialog.close();
    if (focused === document.body || this.contains(focused)) this.#before?.focus({ preventScroll: true });
    this.#keep({ isOpen: false });
    if (this.#isStreaming) this.#mark("running");
    this.#tell("close");
  }

  toggle() {
    if (this.hasAttribute("open")) this.close();
    else this.open();
  }

  #click(action) {
    if (action === "close") this.close();
    if (action === "renew") this.#renew();
  }

  #renew() {
    if (this.#chat?.matches(":not([empty])")) {
      this.#choose(crypto.getRandomValues(new BigUint64Array(2)).join("-"));
      this.#loading = undefined;
      this.#place.replaceChildren();
    }
    this.open();
  }

  /** For Escape, what is open inside the chat comes first, and an answer that runs. */
  #press({ key, target, defaultPrevented, isComposing }) {
    if (key === " " && target.matches("a[role=button]")) target.click();
    if (key !== "Escape" || defaultPrevented || isComposing) return;
    if (!this.#dialog.querySelector("dialog[open], :popover-open")) this.close();
  }

  #follow(streaming) {
    if (this.hasAttribute("open")) return;
    this.#mark(streaming ? "running" : "unread");
    if (!streaming) this.#tell("unread");
  }

  // The dialog

  #show() {
    for (const each of document.querySelectorAll("llm-chat-widget")) each.close();
    const focused = document.activeElement;
    this.#before = focused?.matches("body *") ? focused : this.querySelector("a");
    this.toggleAttribute("open", true);
    this.#present();
    this.#mark("");
    this.#keep({ isOpen: true });
    this.#send("chat:stale"); // what it shows is read now
    this.#tell("open");
  }

  #present() {
    const focused = this.contains(document.activeElement) && document.activeElement;
    this.#dialog.close();
    if (SMALL.matches) this.#dialog.showModal();
    else this.#dialog.open = true; // show() would take the focus
    if (focused) focused.focus();
    this.#fit();
  }

  /** A phone's keyboard takes a part of the screen, which style sheets do not know. */
  #fit() {
    const { height, offsetTop, scale } = SCREEN;
    if (scale > 1) return;
    this.#dialog.style.setProperty("--_screen", `${height}px`);
    this.#dialog.style.setProperty("--_top", `${offsetTop}px`);
  }

  /** Go on where the page before stopped, or this one before a reload, without taking the focus. */
  #comeBack() {
    const { conversation, isOpen, mark = "" } = this.#kept;
    if (conversation) this.#choose(conversation);
    this.#keep({ isOpen: false });
    this.#mark(mark);
    // A small screen shows the page to which the visitor has gone.
    const [{ type }] = performance.getEntriesByType("navigation");
    if (isOpen && !this.#chat && (type === "reload" || !SMALL.matches)) this.#show();
    if (mark === "running" || this.hasAttribute("open")) this.#resume();
  }

  async #resume() {
    if (document.readyState !== "complete") await once(window, "load"); // the page's own scripts come first
    await this.#load();
    if (this.#chat && !this.#isStreaming) this.#follow(false);
  }

  // The chat

  async #load() {
    this.#loading ??= this.#fetch();
    try {
      await this.#loading;
    } catch {
      this.#loading = undefined;
      this.#dialog.dataset.state = "failed";
    }
  }

  async #fetch() {
    this.#dialog.dataset.state = "loading";
    const request = fetch(`${this.#page.href}&fragment`, { headers: { Accept: "text/html" } });
    const [response] = await Promise.all([request, import(this.getAttribute("base") ?? "")]);
    if (!response.ok || response.redirected) throw new Error(response.statusText);
    const chat = customElements.get("llm-chat-element").prototype.fragment(await response.text());
    const scripts = Array.from(chat.querySelectorAll("script"), (script) => import(script.getAttribute("src") ?? ""));
    await Promise.all([...scripts, ...this.#style(chat)]);
    for (const each of chat.querySelectorAll("script, link")) each.remove();
    for (const icon of chat.querySelectorAll("symbol")) if (document.getElementById(icon.id)) icon.remove();
    this.#place.replaceChildren(chat);
    this.#dialog.dataset.state = "ready";
    this.#tell("ready");
  }

  /** Link the style sheets, once; return what to wait for. */
  #style(chat) {
    const sheets = this.#dialog.querySelector("link") ? [] : [...chat.querySelectorAll("link")];
    for (const sheet of sheets) sheet.nonce = this.nonce;
    this.#place.before(...sheets);
    return sheets.map((sheet) => once(sheet, "load"));
  }

  #choose(conversation) {
    this.#page.href = this.#page.href.replace(/[^/]+(?=\/\?)/, conversation);
    this.#keep({ conversation });
  }

  // Internals

  /** Show whether an answer is `running` or `unread` while the dialog is closed. */
  #mark(mark) {
    const status = this.#find("[role=status]");
    status.textContent = status.dataset[mark] ?? "";
    for (const name of ["running", "unread"]) this.toggleAttribute(name, name === mark);
    this.#keep({ mark });
  }

  #keep(changes) {
    attempt(() => sessionStorage.setItem(this.#key, JSON.stringify({ ...this.#kept, ...changes })));
  }

  get #kept() {
    return attempt(() => JSON.parse(sessionStorage.getItem(this.#key) ?? "")) ?? {};
  }

  get #key() {
    return `llm-chat widget ${this.getAttribute("conversation")}`;
  }

  #hear(target, type, listener) {
    target.addEventListener(type, listener, { signal: this.#listening.signal });
  }

  #send(type, detail) {
    this.#chat?.dispatchEvent(new CustomEvent(type, { detail }));
  }

  #tell(name) {
    this.dispatchEvent(new CustomEvent(`llm-chat:${name}`, { bubbles: true }));
  }

  get #isStreaming() {
    return this.#chat?.hasAttribute("streaming");
  }

  /** The chat of this conversation, wherever the page has it. */
  get #chat() {
    return document.querySelector(`llm-chat[conversation="${this.#page.pathname.split("/").at(-2)}"]`);
  }

  get #dialog() {
    return this.#find("dialog");
  }

  get #page() {
    return this.#find("[data-page]");
  }

  get #place() {
    return this.#find("[data-place]");
  }

  /** @returns {any} */
  #find(selector) {
    return this.querySelector(selector);
  }
}

function once(target, type) {
  return new Promise((resolve, reject) => {
    target.addEventListener(type, resolve);
    target.addEventListener("error", reject);
  });
}

function attempt(act) {
  try {
    return act();
  } catch {
    return undefined; // the browser keeps nothing
  }
}

/** The launcher opens its own widget, an element of the site's the one that it names. */
function openNamed(event) {
  const opener = event.target.closest("[data-llm-chat-open]");
  if (!opener || event.ctrlKey || event.metaKey || event.shiftKey) return;
  const { llmChatOpen: name, llmChatText: text } = opener.dataset;
  const named = `llm-chat-widget:is([id="${name}"], [assistant="${name}"])`;
  const widget = opener.closest("llm-chat-widget") ?? document.querySelector(name ? named : "llm-chat-widget");
  if (!widget) return;
  event.preventDefault();
  opener.focus({ preventScroll: true }); // Safari does not focus what is clicked
  widget.open(text);
}

if (!customElements.get("llm-chat-widget")) {
  customElements.define("llm-chat-widget", ChatWidget);
  document.addEventListener("click", openNamed);
}
