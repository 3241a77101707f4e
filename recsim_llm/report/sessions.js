// Shows sessions: loads the script of the user that is looked at, and draws one page of it. Texts from outside become text nodes only.
"use strict";

const by = (id) => document.getElementById(id);
const MOST_LISTED = 50;
const ENDS = { left: "the user left", max_pages: "the page budget was used up" };
const state = { index: null, loaded: { pages: {}, calls: {} }, asked: {}, arm: 0, user: 0, visit: 0, page: 0 };

// What the scripts of data call.
const sessions = {
  index(content) { state.index = content; open(); },
  pages(number, content) { state.loaded.pages[number] = content; },
  calls(number, content) { state.loaded.calls[number] = content; },
};
window.sessions = sessions;

// --- elements

function make(tag, settings = {}, ...content) {
  const one = document.createElement(tag);
  for (const [name, value] of Object.entries(settings)) {
    if (name === "text") one.textContent = value;
    else if (name.startsWith("on")) one.addEventListener(name.slice(2), value);
    else if (value === true) one.setAttribute(name, "");
    else if (value !== false && value !== null) one.setAttribute(name, value);
  }
  one.append(...content);
  return one;
}

function trouble(line) {
  by("trouble").hidden = !line;
  by("trouble").textContent = line || "";
}

const counted = (count, what) => `${count.toLocaleString("en")} ${what}${count === 1 ? "" : "s"}`;
const share = (value) => value === null ? "–"
  : `${(100 * value).toFixed(value === 1 || value === 0 ? 0 : value >= 0.01 ? 1 : 2)}%`;
const plain = (value, digits = 2) => value === null || value === undefined ? "–" : value.toFixed(digits);

function table(heads, rows) {
  const cells = (row) => row.map((cell, place) => place
    ? make("td", { text: cell, class: heads[place].word ? "word" : null }) : make("th", { scope: "row", text: cell }));
  return make("div", { class: "wide", tabindex: "0", role: "group", "aria-label": "Table, may scroll sideways" },
    make("table", {},
      make("thead", {}, make("tr", {}, ...heads.map((head) => make("th", { scope: "col", text: head.name, class: head.word ? "word" : null })))),
      make("tbody", {}, ...rows.map((row) => make("tr", {}, ...cells(row))))));
}

// --- data, as it is wanted

function load(kind, number) {
  const name = `${kind}-${String(number).padStart(5, "0")}.js`;
  if (state.loaded[kind][number]) return Promise.resolve(state.loaded[kind][number]);
  state.asked[name] ??= new Promise((done, failed) => {
    const script = make("script", { src: `sessions/${name}` });
    script.onload = () => state.loaded[kind][number] ? done(state.loaded[kind][number]) : failed(new Error(name));
    script.onerror = () => { delete state.asked[name]; failed(new Error(name)); };
    document.head.append(script);
  });
  return state.asked[name];
}

function chunkOf(place) {
  const firsts = state.index.firsts;
  let low = 0, high = firsts.length - 1;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (firsts[middle] <= place) low = middle; else high = middle - 1;
  }
  return low;
}

const nameOf = (place) => (state.index.keys && state.index.keys[place]) || String(state.index.users[place]);

// --- where we are: in the address, so that a page can be linked to and gone back to

function read() {
  const said = new URLSearchParams(location.hash.slice(1));
  const whole = (name) => Math.max(0, parseInt(said.get(name) ?? "0", 10) || 0);
  const arm = state.index.arms.indexOf(said.get("arm"));
  const user = state.index.users.indexOf(Number(said.get("user")));
  if (said.has("user") && user < 0) trouble(`User ${said.get("user")} is not on this page.`); else trouble("");
  Object.assign(state, { arm: Math.max(arm, 0), user: Math.max(user, 0), visit: whole("visit"), page: whole("page") });
}

function go(changes) {
  const wanted = { arm: state.arm, user: state.user, visit: state.visit, page: state.page, ...changes };
  const said = new URLSearchParams({
    arm: state.index.arms[wanted.arm], user: state.index.users[wanted.user], visit: wanted.visit, page: wanted.page,
  });
  if (location.hash.slice(1) === said.toString()) show(); else location.hash = said.toString();
}

// --- the list of users

function list() {
  const query = by("query").value.trim(), index = state.index, found = [];
  let count = 0;
  for (let place = 0; place < index.users.length; place += 1) {
    if (!nameOf(place).startsWith(query) && !String(index.users[place]).startsWith(query)) continue;
    count += 1;
    if (found.length < MOST_LISTED) found.push(place);
  }
  by("found").textContent = count > found.length
    ? `${count.toLocaleString("en")} users, the first ${MOST_LISTED} shown` : counted(count, "user");
  by("users").replaceChildren(...found.map((place) => make("li", {}, make("button", {
    type: "button", "aria-current": place === state.user ? "true" : null, "data-place": place,
    onclick: () => go({ user: place, visit: 0, page: 0 }),
  }, nameOf(place), " ", make("small", { text: counted(index.pages[place], "page") })))));
}

function mark() {
  for (const one of by("users").querySelectorAll("button")) {
    if (Number(one.dataset.place) === state.user) one.setAttribute("aria-current", "true"); else one.removeAttribute("aria-current");
  }
}

// --- one page

async function show() {
  const { user, arm } = state, number = chunkOf(user);
  let chunk;
  try {
    chunk = await load("pages", number);
  } catch (error) {
    trouble(`${error.message} cannot be read: the folder sessions must lie beside this page.`);
    return;
  }
  if (state.user !== user || state.arm !== arm) return;
  const visits = chunk.users[state.index.users[user]][arm];
  by("who").textContent = `User ${nameOf(user)}, served by ${state.index.arms[arm]}`;
  by("arm").value = String(arm);
  mark();
  state.visits = visits;
  if (!visits.length) {
    for (const one of ["visit", "page"]) by(one).replaceChildren();
    for (const one of ["back", "next"]) by(one).disabled = true;
    by("line").textContent = "No page of this user yet.";
    by("shown").replaceChildren();
    return;
  }
  const at = Math.max(0, visits.findIndex((one) => one.visit === state.visit));
  const visit = visits[at], page = Math.min(state.page, Math.max(visit.pages.length - 1, 0));
  Object.assign(state, { at, visit: visit.visit, page });
  by("visit").replaceChildren(...visits.map((one, place) => make("option", {
    value: place, text: `${one.visit + 1} (${counted(one.pages.length, "page")}, ${counted(clicks(one.pages), "click")})`,
  })));
  by("visit").value = String(at);
  by("page").replaceChildren(...visit.pages.map((one, place) => make("option", {
    value: place, text: `${one.page + 1} of ${visit.pages.length} (${counted(clicks([one]), "click")})`,
  })));
  by("page").value = String(page);
  by("back").disabled = at === 0 && page === 0;
  by("next").disabled = at === visits.length - 1 && page >= visit.pages.length - 1;
  draw(visit, visit.pages[page], chunk.items, number);
}

const clicks = (pages) => pages.reduce((sum, page) => sum + page.slots.filter((slot) => slot[4] === 2).length, 0);

function draw(visit, page, items, number) {
  const parts = [];
  if (visit.turns) parts.push(make("h3", { text: "Conversation" }), turns(visit.turns));
  if (page) {
    parts.push(slots(page, items));
    if (page.said) parts.push(make("h3", { text: "Said afterwards" }), ...page.said.map((one) => make("p", {}, saidOf(one))));
    if (page.tools) parts.push(make("h3", { text: "Tools" }), tools(page.tools));
    if (state.index.calls) parts.push(asked(page, number));
  }
  by("line").textContent = page ? lineOf(visit, page) : "A visit without pages.";
  by("shown").replaceChildren(...parts);
}

function lineOf(visit, page) {
  const shown = page.slots.filter((slot) => slot[0] >= 0).length;
  const parts = [`Visit ${visit.visit + 1}, page ${page.page + 1}: ${clicks([page])} of ${shown} clicked`];
  if (page.satisfaction !== null) parts.push(`satisfaction ${plain(page.satisfaction)}`);
  if (page.leave_prob !== null) parts.push(`chance of leaving ${share(page.leave_prob)}`);
  if (page.reward !== null) parts.push(`reward ${plain(page.reward)}`);
  if (page.by) parts.push(`decided by ${page.by}`);
  parts.push(ENDS[page.end] ?? "the user went on");
  if (page.end && visit.over && visit.over.return_prob !== null) parts.push(`chance of coming back ${share(visit.over.return_prob)}`);
  return parts.join(" · ");
}

function slots(page, items) {
  const rated = page.slots.some((slot) => slot[5] !== null);
  const heads = ["Item", "Shown", "Look", "Click", "Drawn", ...(rated ? ["Stars"] : [])].map((name) => ({ name }));
  return table(heads, page.slots.map((slot, place) => {
    const [item, shown, look, click, drawn, stars, more] = slot;
    const words = more ? [more.friend_id != null && `a friend, user ${more.friend_id}, liked it`, more.shown_title && `as “${more.shown_title}”`,
      more.explanation && `“${more.explanation}”`, more.text && `the user: “${more.text}”`].filter(Boolean) : [];
    const name = [`${place + 1}. ${items[item]}`, ...words].join(" · ");
    return [name, share(shown), share(look), share(click), ["–", "looked", "✓ clicked"][drawn], ...(rated ? [stars === null ? "–" : String(stars)] : [])];
  }));
}

function turns(all) {
  const heads = [{ name: "Turn" }, { name: "Who" }, { name: "Act", word: true }, { name: "Chance" }, { name: "Words", word: true }];
  return table(heads, all.map((one) => [String(one.turn), one.who, [one.act, one.attribute, one.value].filter(Boolean).join(" "),
    share(one.probability), one.text ?? "–"]));
}

function tools(all) {
  const heads = [{ name: "Step" }, { name: "Tool" }, { name: "Asked", word: true }, { name: "Told", word: true }];
  return table(heads, all.map((one) => [String(one.step), one.tool ?? "–", one.arguments ?? "–", one.error ?? one.result ?? "–"]));
}

const saidOf = (one) => `${one.kind === "review" ? `Review of position ${one.position + 1}` : one.kind === "taken" ? "Why something was taken" : "Why the visit was ended"}: “${one.text}”`;

// --- what language models were asked

function asked(page, number) {
  const place = make("div"), { visit, user, arm } = state;
  const fold = make("details", {
    ontoggle: async () => {
      if (!fold.open || place.hasChildNodes()) return;
      try {
        const calls = await load("calls", number);
        const mine = calls.users[state.index.users[user]].filter((one) =>
          one.place ? one.place[0] === visit && one.place[1] === page.page && (!one.arms || one.arms.includes(arm)) : false);
        const apart = calls.users[state.index.users[user]].filter((one) => !one.place);
        const parts = mine.map((one) => call(one, calls.parts));
        if (!mine.length) parts.push(make("p", { class: "aside", text: "Nothing was asked about this page." }));
        if (mine.some((one) => !one.arms) && state.index.arms.length > 1) {
          parts.push(make("p", { class: "aside", text: "Which recommender a call was for cannot always be told: it then stands under each." }));
        }
        if (apart.length) {
          parts.push(make("details", {}, make("summary", { text: `Asked about this user apart from any page: ${counted(apart.length, "call")}` }),
            ...apart.map((one) => call(one, calls.parts))));
        }
        place.replaceChildren(...parts);
      } catch (error) {
        trouble(`${error.message} cannot be read: the folder sessions must lie beside this page.`);
      }
    },
  }, make("summary", { text: "Prompts and replies of language models" }), place);
  return fold;
}

function call(one, parts) {
  const facts = [one.role, one.model, one.form, one.cached ? "known from before" : "sent", one.status === "failed" ? `failed: ${one.cause}` : one.cause,
    one.seconds === null ? "" : `${plain(one.seconds)} s`, one.read === null ? "" : `${one.read} tokens read, ${one.written ?? "–"} written`];
  const box = make("div", { class: "ask" }, make("p", { class: "aside", text: facts.filter(Boolean).join(" · ") }));
  for (const hash of one.prompt) box.append(make("h4", { text: `Prompt: ${parts[hash][0]}` }), make("pre", { text: parts[hash][1] }));
  if (parts[one.asked][1] !== "[]") {
    const title = one.chances ? "Questions, with the chances of the answers" : "Questions";
    box.append(make("h4", { text: title }), make("pre", { text: questions(parts[one.asked][1], one.chances) }));
  }
  for (const text of one.texts ?? []) box.append(make("h4", { text: "Reply" }), make("pre", { text }));
  for (const text of one.calls ?? []) box.append(make("h4", { text: "Tool asked for" }), make("pre", { text }));
  if (one.likely) {
    const lines = one.likely.map(([token, ...others]) => `${JSON.stringify(token)}: ${others.map(([text, chance]) => `${JSON.stringify(text)} ${share(chance)}`).join(", ")}`);
    box.append(make("details", {}, make("summary", { text: "Likeliest tokens" }), make("pre", { text: lines.join("\n") })));
  }
  if (!one.texts) box.append(make("p", { class: "aside", text: "No reply was kept." }));
  return box;
}

function questions(text, chances) {
  const answers = (options, row) => options.map((option, place) => row && row.length === options.length ? `${option} ${share(row[place])}` : option);
  try {
    return JSON.parse(text).map(([key, words, , options], place) =>
      `${key}: ${words}${options.length ? ` (${answers(options, chances?.[place]).join(", ")})` : ""}`).join("\n");
  } catch {
    return text;
  }
}

// --- going about

function turn(step) {
  const { visits, at, page } = state;
  if (!visits || !visits.length) return;
  if (page + step >= 0 && page + step < visits[at].pages.length) go({ page: page + step });
  else if (visits[at + step]) go({ visit: visits[at + step].visit, page: step > 0 ? 0 : Math.max(visits[at + step].pages.length - 1, 0) });
}

function turnVisit(step) {
  const to = state.visits && state.visits[state.at + step];
  if (to) go({ visit: to.visit, page: 0 });
}

function keys(event) {
  const typing = ["INPUT", "SELECT", "TEXTAREA"].includes(event.target.tagName);
  if (event.ctrlKey || event.altKey || event.metaKey) return;
  if (event.target === by("query") && event.key === "Enter") by("users").querySelector("button")?.click();
  if (typing) return;
  const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
  // In a table that scrolls sideways the arrows scroll.
  if (step && event.target.closest?.(".wide")) return;
  if (step && event.shiftKey) turnVisit(step);
  else if (step) turn(step);
  else if (event.key === "/") by("query").focus();
  else return;
  event.preventDefault();
}

function open() {
  const index = state.index;
  document.title = `Sessions of ${index.scenario} – recsim_llm`;
  by("title").textContent = `Sessions of ${index.scenario}`;
  const pages = index.pages.reduce((sum, count) => sum + count, 0);
  const whole = index.users.length === index.everyone;
  const facts = [whole ? `all ${counted(index.users.length, "user")}` : `${index.users.length.toLocaleString("en")} of ${counted(index.everyone, "user")}, drawn by the run's seed`,
    whole ? counted(pages, "page") : `${pages.toLocaleString("en")} of ${counted(index.every_page, "page")}`, `seed ${index.seed ?? "unknown"}`,
    index.unfinished.length ? `not finished: ${index.unfinished.join(", ")}` : ""];
  by("facts").textContent = facts.filter(Boolean).join(" · ");
  by("arm").replaceChildren(...index.arms.map((name, place) => make("option", { value: place, text: name })));
  by("arm").addEventListener("change", () => go({ arm: Number(by("arm").value) }));
  by("visit").addEventListener("change", () => go({ visit: state.visits[Number(by("visit").value)].visit, page: 0 }));
  by("page").addEventListener("change", () => go({ page: Number(by("page").value) }));
  by("back").addEventListener("click", () => turn(-1));
  by("next").addEventListener("click", () => turn(1));
  by("query").addEventListener("input", list);
  document.addEventListener("keydown", keys);
  window.addEventListener("hashchange", () => { read(); show(); });
  read();
  list();
  show();
}
