/** Where the dialog is modal, and covers the page. */
const SMALL = matchMedia("(width < 34rem), (height < 30rem)");

/** `<llm-chat-widget>`: opens a chat over the page, and loads it the first time. docs/widget.md explains it. */
class ChatWidget extends HTMLElement {
  #listening;
  #loading;
  #styled;
  #before; // what had the focus

  connectedCallback() {
    this.#listening = new AbortController();
    this.#find(":scope > a")?.setAttribute("role", "button");
    this.#hear(this, "click", ({ target }) => this.#click(target.closest("[data-do]")?.dataset.do));
    this.#hear(this, "keydown", (event) => this.#press(event));
    this.#hear(this, "chat:state", ({ detail }) => this.#follow(detail.streaming));
    this.#hear(this.#dialog, "close", () => this.#dialog.open || this.close()); // the browser has closed it
    this.#hear(SMALL, "change", () => this.#dialog.open && this.#present());
    for (const type of ["resize", "scroll"]) this.#hear(visualViewport, type, () => this.#fit());
    this.#comeBack();
  }

  disconnectedCallback() {
    this.#listening.abort();
  }

  async open(text = "") {
    const elsewhere = this.#chat && !this.contains(this.#chat);
    if (!elsewhere) {
      const loading = this.#load();
      await this.#show();
      this.#dialog.focus();
      await loading;
      if (!this.contains(document.activeElement)) return;
    }
    this.#tell(text || elsewhere ? "chat:compose" : "chat:focus", { text });
  }

  close() {
    if (!this.hasAttribute("open")) return;
    const focused = document.activeElement;
    this.removeAttribute("open");
    this.#dialog.close();
    if (focused === document.body || this.contains(focused)) this.#before?.focus({ preventScroll: true });
    this.#keep({ isOpen: false });
    if (this.#chat?.matches("[streaming]")) this.#mark("running");
    this.#dispatch("close");
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
      this.#loading = null;
      this.#find("[data-place]").replaceChildren();
    }
    this.open();
  }

  /** For Escape, what is open inside the chat comes first, and an answer that runs. */
  #press(event) {
    if (event.key === " " && event.target.parentElement === this) {
      event.preventDefault(); // or the page scrolls
      event.target.click();
    }
    if (event.key !== "Escape" || event.defaultPrevented || event.isComposing) return;
    if (!this.#find("dialog dialog[open], :popover-open")) this.close();
  }

  #follow(streaming) {
    if (this.hasAttribute("open")) return;
    this.#mark(streaming ? "running" : "unread");
    if (!streaming) this.#dispatch("unread");
  }

  /** Go on where the last page stopped, without taking the focus. */
  #comeBack() {
    const { conversation, isOpen, mark = "" } = this.#keep({});
    if (conversation) this.#choose(conversation);
    this.#keep({ isOpen: false });
    this.#mark(mark);
    // On a small screen it would cover the next page.
    const [{ type }] = performance.getEntriesByType("navigation");
    if (isOpen && !this.#chat && (type === "reload" || !SMALL.matches)) this.#show();
    if (mark === "running" || this.hasAttribute("open")) this.#resume();
  }

  async #resume() {
    if (document.readyState !== "complete") await once(window, "load"); // after the page's own scripts
    await this.#load();
    if (this.#chat?.matches(":not([streaming])")) this.#follow(false);
  }

  // The dialog

  async #show() {
    if (this.hasAttribute("open")) return;
    for (const each of document.querySelectorAll("llm-chat-widget")) each.close();
    const focused = document.activeElement;
    this.#before = focused === document.body ? this.#find(":scope > a") : focused;
    this.toggleAttribute("open", true);
    this.#keep({ isOpen: true });
    this.#mark("");
    await (this.#styled ??= this.#style());
    if (!this.hasAttribute("open")) return;
    this.#present();
    this.#tell("chat:stale"); // what it shows is read now
    this.#dispatch("open");
  }

  #present() {
    this.#dialog.close();
    if (SMALL.matches) this.#dialog.showModal();
    else this.#dialog.open = true; // show() would take the focus
    this.#fit();
  }

  /** Style sheets do not know what a phone's keyboard takes of the screen. */
  #fit() {
    if (!visualViewport || visualViewport.scale > 1) return;
    const { style } = this.#dialog;
    style.setProperty("--_screen", `${visualViewport.height}px`);
    style.setProperty("--_top", `${visualViewport.offsetTop}px`);
  }

  #style() {
    const sheet = document.createElement("link");
    Object.assign(sheet, { rel: "stylesheet", href: this.getAttribute("sheet"), nonce: this.nonce });
    this.append(sheet);
    return once(sheet, "load");
  }

  // The chat

  async #load() {
    this.#problem.hidden = true;
    try {
      await (this.#loading ??= this.#fetch());
    } catch {
      this.#loading = null;
      this.#problem.hidden = false;
    }
  }

  async #fetch() {
    const request = fetch(`${this.#page.href}&fragment`, { headers: { Accept: "text/html" } });
    const [response] = await Promise.all([request, import(this.getAttribute("base"))]);
    if (!response.ok || response.redirected) throw new Error(response.statusText);
    const chat = customElements.get("llm-chat-element").prototype.fragment(await response.text());
    await Promise.all(Array.from(chat.querySelectorAll("script"), (script) => import(script.getAttribute("src"))));
    for (const sheet of chat.querySelectorAll("link")) sheet.nonce = this.nonce;
    for (const icon of chat.querySelectorAll("symbol")) if (document.getElementById(icon.id)) icon.remove();
    this.#find("[data-place]").replaceChildren(chat);
    this.#dispatch("ready");
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

  /** Change what the tab keeps for its next page, and return it. */
  #keep(changes) {
    const key = `llm-chat widget ${this.getAttribute("conversation")}`;
    try {
      const kept = { ...JSON.parse(sessionStorage.getItem(key) ?? "{}"), ...changes };
      sessionStorage.setItem(key, JSON.stringify(kept));
      return kept;
    } catch {
      return changes; // the browser keeps nothing
    }
  }

  #hear(target, type, listener) {
    target.addEventListener(type, listener, { signal: this.#listening.signal });
  }

  #dispatch(name) {
    this.dispatchEvent(new CustomEvent(`llm-chat:${name}`, { bubbles: true }));
  }

  #tell(type, detail) {
    this.#chat?.dispatchEvent(new CustomEvent(type, { detail }));
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

  get #problem() {
    return this.#find("[data-problem]");
  }

  #find(selector) {
    return this.querySelector(selector);
  }
}

function once(target, type) {
  return new Promise((resolve) => {
    for (const each of [type, "error"]) target.addEventListener(each, resolve);
  });
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
