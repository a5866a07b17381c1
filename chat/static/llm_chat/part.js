const ChatElement = customElements.get("llm-chat-element");

const CODE_END = "</code></pre>";
const ESCAPED = { "&": "&amp;", "<": "&lt;", ">": "&gt;", "\u00a0": "&nbsp;" };

/**
 * `<llm-chat-part>`: one part of a message, as a row of blocks that grows at its end.
 *
 * In: `chat:patch` on the element itself, the data of a `data-patch` chunk. It counts in the server's string of a block, which is
 * kept, not in what a browser makes of it.
 */
class ChatPart extends ChatElement {
  #sources = [];

  start() {
    this.hear(this, { "chat:patch": (patch) => this.#patch(patch) });
  }

  #patch({ keep, from = 0, html, then = [], tail = 0, append, stay }) {
    const blocks = this.querySelector("[data-blocks]") ?? this;
    while (!stay && blocks.children.length > keep + 1) blocks.lastElementChild?.remove();
    if (append !== undefined) return this.#append(blocks, keep, append);
    const source = this.#sources[keep] ?? "";
    html = source.slice(0, from) + html;
    for (const [units, more] of then) html += source.slice(from, (from += units)) + more;
    this.#sources[keep] = html += source.slice(source.length - tail);
    const block = blocks.children[keep] ?? blocks.appendChild(emptyBlock());
    const next = document.createElement("template");
    next.innerHTML = html;
    keepSelection(block, () => grow(block, next.content));
  }

  // Internals

  /** Into the text node that is there: a selection inside it stays. The source follows, escaped as the server's. */
  #append(blocks, keep, text) {
    const code = blocks.children[keep]?.querySelector("code");
    if (code?.lastChild instanceof Text) code.lastChild.appendData(text);
    else code?.append(text);
    const source = this.#sources[keep];
    if (!source) return;
    const escaped = text.replace(/[&<>\u00a0]/g, (character) => ESCAPED[character]);
    this.#sources[keep] = source.slice(0, -CODE_END.length) + escaped + CODE_END;
  }
}

function emptyBlock() {
  const block = document.createElement("div");
  block.className = "llm-chat-block";
  return block;
}

/** Whether a reader has selected anything: to ask at each change would cost a layout. */
let selecting = false;
document.addEventListener("selectionchange", () => (selecting = !getSelection().isCollapsed));

/** Where `change` replaces what a reader has selected, as the colours of code do, select the same text again. */
function keepSelection(block, change) {
  if (!selecting) return change();
  const selection = getSelection();
  const { anchorNode, anchorOffset, focusNode, focusOffset } = selection;
  if (!selection.containsNode(block, true)) return change();
  const selected = selection.toString();
  const [anchor, focus] = [place(block, anchorNode, anchorOffset), place(block, focusNode, focusOffset)];
  change();
  if (selection.toString() !== selected) selection.setBaseAndExtent(...anchor(), ...focus());
}

/** Returns what finds a place again: inside of the block by the characters before it. */
function place(block, node, offset) {
  if (!block.contains(node)) return () => [node, offset];
  const before = document.createRange();
  before.setStart(block, 0);
  before.setEnd(node, offset);
  const length = before.toString().length;
  return () => {
    const texts = document.createTreeWalker(block, NodeFilter.SHOW_TEXT);
    let [text, rest] = [texts.nextNode(), length];
    while (text && rest > text.length) [rest, text] = [rest - text.length, texts.nextNode()];
    return text ? [text, rest] : [block, block.childNodes.length];
  };
}

/** Leave alone what is equal already, from the front: what a reader has selected, focused or scrolled there stays. */
function grow(node, next) {
  let [old, fresh] = [node.firstChild, next.firstChild];
  while (old && fresh && (old.isEqualNode(fresh) || adapt(old, fresh))) {
    [old, fresh] = [old.nextSibling, fresh.nextSibling];
  }
  while (old) [old] = [old.nextSibling, old.remove()];
  while (fresh) [fresh] = [fresh.nextSibling, node.appendChild(fresh)];
}

function adapt(old, fresh) {
  if (old instanceof Text && fresh instanceof Text) {
    const [before, after] = [old.data, fresh.data];
    let same = before.length;
    if (!after.startsWith(before)) for (same = 0; before[same] === after[same];) same += 1;
    old.replaceData(same, before.length - same, after.slice(same));
    return true;
  }
  if (!(old instanceof Element) || !old.cloneNode().isEqualNode(fresh.cloneNode())) return false;
  grow(old, fresh);
  return true;
}

ChatPart.define("llm-chat-part");
