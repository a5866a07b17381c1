const ChatElement = customElements.get("llm-chat-element");

/**
 * `<llm-chat-part>`: one part of a message, as a row of blocks that grows at its end.
 *
 * In: `chat:patch` on the element itself {keep, from, html} or {keep, append}. A splice counts in the server's string and not
 * in what a browser makes of it: the source of the last, open block is kept.
 */
class ChatPart extends ChatElement {
  #source = "";

  // Life cycle

  start() {
    this.hear(this, { "chat:patch": (patch) => this.#patch(patch) });
  }

  // Actions

  #patch({ keep, from = 0, html, append }) {
    const blocks = this.querySelector("[data-blocks]") ?? this;
    while (blocks.children.length > keep + 1) blocks.lastElementChild?.remove();
    if (append !== undefined) return this.#append(blocks.children[keep], append);
    if (html === undefined) return;
    this.#source = this.#source.slice(0, from) + html;
    const block = blocks.children[keep] ?? blocks.appendChild(emptyBlock());
    const next = document.createElement("template");
    next.innerHTML = this.#source;
    grow(block, next.content);
  }

  // Internals

  /** Into the text node that is there: a selection inside it stays. */
  #append(block, text) {
    const code = block?.querySelector("code");
    if (code?.lastChild instanceof Text) code.lastChild.appendData(text);
    else code?.append(text);
  }
}

function emptyBlock() {
  const block = document.createElement("div");
  block.className = "chat-block";
  return block;
}

/** Leave alone what is equal already, from the front: what a reader has selected, focused or scrolled there stays. */
function grow(node, next) {
  let [old, fresh] = [node.firstChild, next.firstChild];
  while (old && fresh && (old.isEqualNode(fresh) || adapt(old, fresh))) {
    [old, fresh] = [old.nextSibling, fresh.nextSibling];
  }
  while (old) {
    const gone = old;
    old = old.nextSibling;
    gone.remove();
  }
  while (fresh) {
    const come = fresh;
    fresh = fresh.nextSibling;
    node.appendChild(come);
  }
}

function adapt(old, fresh) {
  if (old instanceof Text && fresh instanceof Text) {
    if (fresh.data.startsWith(old.data)) old.appendData(fresh.data.slice(old.length));
    else old.data = fresh.data;
    return true;
  }
  if (!(old instanceof Element) || !old.cloneNode().isEqualNode(fresh.cloneNode())) return false;
  grow(old, fresh);
  return true;
}

ChatPart.define("llm-chat-part");
