// Making and filling elements. Text goes in as text, never as HTML.

export const $ = (id) => document.getElementById(id);

/** An element with properties, attributes (`aria-...`, `data-...`, `role`) and children. */
export function el(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (value === undefined || value === null || value === false) continue;
    if (name in element && !name.includes("-")) element[name] = value;
    else element.setAttribute(name, value === true ? "" : String(value));
  }
  element.append(...children.filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

/** Set the text only if it differs: an unchanged page costs no layout. */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

export function setClass(element, name) {
  if (element.className !== name) element.className = name;
}

/** Fill with children; those that are there already are not taken out and put back, so they keep the focus. */
export function fill(container, children) {
  const focused = document.activeElement;
  const wanted = new Set(children);
  for (const child of [...container.children]) if (!wanted.has(child)) child.remove();
  children.forEach((child, i) => {
    if (container.children[i] !== child) container.insertBefore(child, container.children[i] ?? null);
  });
  if (focused !== document.activeElement && container.contains(focused)) focused.focus({ preventScroll: true }); // it moved
}

/** A group of buttons of which one is pressed. The buttons stay the same elements: the one in use keeps the focus. */
export function segments(container, options, chosen, choose) {
  while (container.children.length > options.length) container.lastChild.remove();
  options.forEach(([value, label], i) => {
    const button = container.children[i] ?? container.appendChild(el("button", { type: "button" }));
    setText(button, label);
    button.setAttribute("aria-pressed", String(value === chosen));
    button.onclick = () => choose(value);
  });
}

/** A table's head. Columns: [label, class]. */
export function tableHead(columns) {
  return el("thead", {}, el("tr", {}, ...columns.map(([label, name]) => el("th", { scope: "col", className: name ?? "" }, label))));
}
