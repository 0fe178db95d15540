// The drawer: the list of open deliveries, and the journey of one document. A native dialog: Escape closes it.

import { $, el, segments, tableHead } from "./dom.js";
import { count, duration, fullTime } from "./format.js";
import { legs } from "./model.js";
import { ask } from "./stream.js";
import { currentLanguage, say } from "./words.js";

const STAGES = ["", "hub", "inbox", "receipt"];

/** What a list of open deliveries does not contain, in words: the same that its CSV file says at its end. */
export function lacks(found, language) {
  const words = [];
  if (found.silent.length) words.push(say("open_partly", { who: found.silent.join(", ") }));
  const partitions = found.partitions_missing.join(", ");
  if (partitions) words.push(say("open_partitions_missing", { partitions }));
  if (found.more) words.push(say("open_more", { more: count(found.more, language) }));
  if (found.unsifted) words.push(say("open_unsifted", { unsifted: count(found.unsifted, language) }));
  return words;
}

export class Drawer {
  constructor(run, nameOf, lateAfterS) {
    this.run = run; // all three are functions: they change
    this.nameOf = nameOf;
    this.lateAfterS = lateAfterS;
    this.turn = 0;
    $("drawer-close").addEventListener("click", () => $("drawer").close());
    // The browser gives the focus back to what opened the drawer; where that is gone, reading goes on in the page.
    $("drawer").addEventListener("close", () => document.activeElement === document.body && $("main").focus({ preventScroll: true }));
    $("drawer").addEventListener("click", (event) => event.target === $("drawer") && $("drawer").close());
  }

  #show(title) {
    $("drawer-title").textContent = title;
    $("drawer-close").textContent = say("close");
    $("drawer-body").replaceChildren(el("p", { className: "empty", role: "status" }, say("loading")));
    if (!$("drawer").open) $("drawer").showModal();
    $("drawer-title").focus();
    return ++this.turn; // an answer that comes after another question is dropped
  }

  // --- open deliveries

  async list(asked) {
    const names = [asked.sender, asked.recipient].filter(Boolean).map((code) => this.nameOf(code));
    const what = names.join(" → ");
    const turn = this.#show(what ? say("open_of", { what }) : say("open_title"));
    const query = { run: this.run() };
    for (const name of ["sender", "recipient", "stage"]) if (asked[name]) query[name] = asked[name];
    if (asked.late) query.before_us = String(Math.round((Date.now() / 1000 - this.lateAfterS()) * 1e6));
    const found = await ask("/api/open", query);
    if (turn !== this.turn) return;
    $("drawer-body").replaceChildren(...(found.ok ? this.#listed(asked, query, found) : [this.#failed(found)]));
  }

  #failed(found) {
    return el("p", { className: "empty", role: "alert" }, say("open_failed", { who: found.who ?? found.error ?? "" }));
  }

  #listed(asked, query, found) {
    const language = currentLanguage();
    const stages = el("div", { className: "segments", role: "group", "aria-label": say("open_stage") });
    segments(stages, STAGES.map((stage) => [stage, say(stage ? `st_${stage}` : "all_stages")]), asked.stage ?? "", (stage) =>
      this.list({ ...asked, stage }),
    );
    const csv = el("a", { className: "button", href: `/api/open.csv?${new URLSearchParams(query)}`, download: "open-deliveries.csv" }, say("csv"));
    const again = el("button", { type: "button", onclick: () => this.list(asked) }, say("refresh"));
    const bar = el("div", { className: "bar-line" }, stages, again, csv);
    const shown = say("open_shown", { shown: count(found.rows.length, language), open: count(found.open, language) });
    const lacking = lacks(found, language).map((words) => el("li", {}, words));
    const cut = lacking.length === 1 && found.more > 0; // no fault: there are many
    const notes = lacking.length ? [el("div", { className: cut ? "note-attention" : "note-bad", role: "alert" }, el("ul", {}, ...lacking))] : [];
    if (!found.rows.length) return [bar, ...notes, el("p", { className: "empty" }, say(lacking.length ? "open_none_seen" : "open_none"))];
    const heads = [["open_document"], ["open_from"], ["open_to"], ["open_waits", "number"], ["open_stage"]];
    const rows = found.rows.map((row) => this.#openRow(row, found.now_us));
    const table = el("table", {}, tableHead(heads.map(([key, name]) => [say(key), name])), el("tbody", {}, ...rows));
    return [bar, ...notes, el("p", { className: "hint" }, shown), el("div", { className: "scroll" }, table)];
  }

  #openRow([packetId, documentId, sender, recipient, sentUs, stage], nowUs) {
    const open = el("button", { type: "button", className: "linked", onclick: () => this.journey(documentId) }, packetId);
    return el(
      "tr",
      {},
      el("th", { scope: "row" }, open),
      el("td", { title: this.nameOf(sender) }, sender || "–"),
      el("td", { title: this.nameOf(recipient) }, recipient),
      el("td", { className: "number", title: fullTime(sentUs) }, duration(nowUs - sentUs, currentLanguage())),
      el("td", {}, el("span", { className: `badge badge-${stage}`, title: say(`st_${stage}_long`) }, say(`st_${stage}`))),
    );
  }

  // --- one document

  async journey(documentId) {
    const turn = this.#show(say("journey_title", { id: documentId }));
    const found = await ask("/api/document", { run: this.run(), id: documentId });
    if (turn !== this.turn) return;
    $("drawer-body").replaceChildren(...(found.ok ? this.#journeyed(found, documentId) : [this.#failed(found)]));
  }

  #journeyed(found, documentId) {
    const language = currentLanguage();
    const read = count(found.records_read, language);
    const note = el("p", { className: found.complete ? "hint" : "note-bad" }, say(found.complete ? "journey_read" : "journey_partly", { read }));
    if (!found.packets.length) return [el("p", { className: "empty", role: "status" }, say("journey_none", { id: documentId, run: this.run() })), note];
    return [...found.packets.flatMap((packet) => this.#packet(packet)), note];
  }

  #packet(packet) {
    const head = el("h3", {}, say("packet", { id: packet.packet_id }));
    const about = packet.sent_us
      ? `${say(`business_${packet.business}`)}, ${say("packet_from", { sender: this.nameOf(packet.sender), at: fullTime(packet.sent_us) })}`
      : say("packet_unread");
    const heads = [["recipient"], ["state"], ["accepted", "number"], ["available", "number"], ["received", "number"], ["total_time"], ["statuses"]];
    const rows = packet.deliveries.map((delivery) => this.#delivery(packet, delivery));
    const table = el("table", { className: "journey" }, tableHead(heads.map(([key, name]) => [say(key), name])), el("tbody", {}, ...rows));
    return [head, el("p", { className: "hint" }, about), el("div", { className: "scroll" }, table)];
  }

  #delivery(packet, delivery) {
    const language = currentLanguage();
    const after = (us) => (us && packet.sent_us ? `+${duration(us - packet.sent_us, language)}` : "–");
    const cell = (key, ...inside) => el("td", { "data-label": say(key) }, ...inside);
    const time = (key, us) => el("td", { className: "number", title: us ? fullTime(us) : "", "data-label": say(key) }, after(us));
    const failed = delivery.answer === "FAIL" ? ` (${say("answered_fail")})` : "";
    const waiting = delivery.state === "outstanding" ? `: ${say(`st_${delivery.stage ?? "hub"}`)}` : "";
    const why = delivery.code ? el("small", {}, ` ${delivery.code} ${delivery.reason ?? ""}`) : null;
    const stated = (delivery.statuses ?? []).map((one) => el("span", { className: "badge", title: fullTime(one.stated_us) }, one.code));
    return el(
      "tr",
      {},
      el("th", { scope: "row", title: this.nameOf(delivery.recipient) }, this.nameOf(delivery.recipient)),
      cell("state", el("span", {}, el("span", { className: `badge badge-${delivery.state}` }, say(`state_${delivery.state}`) + waiting + failed), why)),
      time("accepted", delivery.accepted_us),
      time("available", delivery.available_us),
      time("received", delivery.received_us),
      cell("total_time", this.#line(packet, delivery)),
      cell("statuses", el("span", {}, ...(stated.length ? stated : ["–"]))),
    );
  }

  /** The legs of a delivery as one bar. */
  #line(packet, delivery) {
    const language = currentLanguage();
    const parts = legs(packet, delivery);
    const sum = parts.reduce((total, leg) => total + leg.us, 0);
    if (!delivery.received_us || !sum) return "–";
    const bar = el("span", { className: "legs", "aria-hidden": "true" });
    for (const leg of parts) {
      const piece = el("i", { className: `leg-${leg.name}` });
      piece.style.flexGrow = String(Math.max(leg.us / sum, 0.005));
      bar.append(piece);
    }
    return el("span", { className: "legs-box" }, duration(delivery.received_us - packet.intended_us, language), bar);
  }
}
