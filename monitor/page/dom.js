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

/** A group of buttons of which one is pressed. */
export function segments(container, options, chosen, choose) {
  container.replaceChildren(
    ...options.map(([value, label]) =>
      el("button", {
        type: "button",
        textContent: label,
        "aria-pressed": String(value === chosen),
        onclick: () => choose(value),
      }),
    ),
  );
}

/** A table's head. Columns: [label, class]. */
export function tableHead(columns) {
  return el("thead", {}, el("tr", {}, ...columns.map(([label, name]) => el("th", { scope: "col", className: name ?? "" }, label))));
}
