// Shows a watched run: asks where it stands, draws it, and sends what is wanted of it. Texts from outside become text nodes only.
"use strict";

const by = (id) => document.getElementById(id);
const known = { version: -1, arms: [], values: {}, steps: 0, chosen: null, pinned: null, said: null, last: null };

// --- elements and requests

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

function draw(tag, settings = {}, text = "") {
  const one = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(settings)) one.setAttribute(name, value);
  one.textContent = text;
  return one;
}

async function ask(place, wanted) {
  const more = wanted === undefined ? {} : {
    method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(wanted),
  };
  const response = await fetch(place, more);
  const content = await response.json();
  if (!response.ok) throw new Error(content.error);
  return content;
}

function trouble(line) {
  by("trouble").hidden = !line;
  by("trouble").textContent = line || "";
}

const send = (place, wanted) => ask(place, wanted).catch((error) => trouble(error.message));
const share = (value) => `${(100 * value).toFixed(value !== 0 && Math.abs(value) < 0.0995 ? 1 : 0)}%`;
const number = (value, unit) => value === null || value === undefined ? "–"
  : unit === "share" ? share(value) : unit === "users" ? String(value) : value.toFixed(2);
const colour = (place) => `var(--arm${place % 8})`;
const counted = (count, what) => `${count.toLocaleString("en")} ${what}${count === 1 ? "" : "s"}`;
const swatch = (place) => {
  const one = make("span", { class: "swatch" });
  one.style.background = colour(place);
  return one;
};

// --- the state, as it comes

async function follow() {
  for (;;) {
    try {
      show(await ask(`state?version=${known.version}&since=${known.steps}`));
    } catch (error) {
      trouble(`The run is not being served any more (${error.message}).`);
      for (const one of document.querySelectorAll("button, select, input")) one.disabled = true;
      return;
    }
  }
}

function show(state) {
  const first = known.last === null;
  for (const arm of state.arms) {
    const held = known.values[arm.name] ??= {};
    for (const [name, values] of Object.entries(arm.values)) {
      held[name] = (held[name] ?? []).slice(0, state.since).concat(values);
    }
  }
  const moved = state.told !== known.steps;
  known.steps = state.told;
  // Where one answer did not tell all, the next one is wanted at once.
  known.version = state.told < state.steps ? -1 : state.version;
  known.last = state;
  if (first) begin(state);
  if (state.error) trouble(`The run cannot go on: ${state.error}`);
  showPace(state);
  showArms(state);
  showChanges(state);
  if (moved || first) {
    drawSeries();
    lookLater();
  }
}

function begin(state) {
  document.title = `Watching ${state.scenario}`;
  by("scenario").textContent = state.scenario;
  by("facts").textContent = [
    state.description, `${state.arms[0].users.toLocaleString("en")} users`,
    state.out ? `written to ${state.out}` : "not written to a folder",
  ].filter(Boolean).join(" · ");
  const heads = ["", "Served by", ...state.series.map((one) => one.title), "Pages", "Clicks"];
  by("arms").tHead.replaceChildren(make("tr", {}, ...heads.map((text) => make("th", { scope: "col", text }))));
  by("legend").replaceChildren(...state.arms.map((arm, place) => make("span", {}, swatch(place), arm.name)));
  by("arm").replaceChildren(...state.arms.map((arm) => make("option", { value: arm.name, text: arm.name })));
  by("arms").tBodies[0].replaceChildren(...state.arms.map((arm, place) => {
    const choice = make("select", {
      "aria-label": `Recommender that serves the users of ${arm.name}`,
      onchange: (event) => send("change", { arm: arm.name, recommender: event.target.value }),
    }, ...state.arms.map((one) => make("option", { value: one.name, text: one.name })));
    return make("tr", {}, make("th", { scope: "row" }, swatch(place), arm.name),
      make("td", {}, choice, make("span", { class: "aside" })), ...heads.slice(2).map(() => make("td")));
  }));
  for (const series of state.series) {
    by("series").append(make("figure", { class: "series", "data-series": series.name, hidden: true },
      make("h3", {}, series.title, make("small", { text: series.meaning }))));
  }
  new ResizeObserver(drawSeries).observe(by("series"));
  by("how").textContent = state.sliders.length
    ? "From the next step on, for the users of every recommender alike, until moved again: an intervention like those of a scenario, "
      + "in the log's events. Parameters that are worked into the users when these are built cannot be moved during a run."
    : "Sliders move users through interventions, which need a clock: watch with --set 'clock={days: 30}'.";
  for (const slider of state.sliders) by(slider.name.startsWith("genre ") ? "more" : "sliders").append(makeSlider(slider));
  by("genres").hidden = !state.sliders.some((one) => one.name.startsWith("genre "));
}

function showPace(state) {
  const playing = state.state === "playing", over = state.state === "finished" || state.state === "failed";
  by("play").textContent = playing ? "Pause" : "Play";
  by("play").disabled = over;
  by("step").disabled = over || playing;
  const of = state.of ? ` of ${state.of.toLocaleString("en")}` : "";
  const next = state.next ? `, next ${state.next}` : "";
  by("progress").textContent = `${state.state} · ${state.steps.toLocaleString("en")}${of} steps${next}`;
  const speed = String(state.speed);
  if (document.activeElement !== by("speed") && [...by("speed").options].some((one) => one.value === speed)) by("speed").value = speed;
}

function showArms(state) {
  [...by("arms").tBodies[0].rows].forEach((row, place) => {
    const arm = state.arms[place], choice = row.querySelector("select");
    if (document.activeElement !== choice || arm.wanted === null) choice.value = arm.wanted ?? arm.recommender;
    choice.disabled = arm.finished || state.state === "failed";
    row.querySelector(".aside").textContent = arm.wanted && arm.wanted !== arm.recommender ? "from the next step" : "";
    const held = known.values[arm.name];
    const last = state.series.map((one) => number((held[one.name] ?? []).at(-1), one.unit));
    [...last, arm.pages.toLocaleString("en"), arm.clicks.toLocaleString("en")].forEach((text, column) => {
      row.cells[column + 2].textContent = text;
    });
  });
}

function showChanges(state) {
  const lines = state.by_hand.map((one) => `${one.when}: ${one.said}`);
  const list = by("changes");
  if (list.childElementCount !== (lines.length || 1)) {
    list.replaceChildren(...(lines.length ? lines : ["Nothing."]).map((text) => make("li", { text })));
  }
  for (const slider of state.sliders) {
    const input = document.querySelector(`input[data-slider="${CSS.escape(slider.name)}"]`);
    const value = slider.wanted ?? slider.value;
    if (document.activeElement !== input) input.value = value;
    input.disabled = state.state === "finished" || state.state === "failed";
    const soon = slider.wanted !== null && slider.wanted !== slider.value ? ", from the next step" : "";
    input.parentElement.querySelector("output").textContent = `${signed(Number(input.value))}${soon}`;
  }
}

const signed = (value) => `${value > 0 ? "+" : ""}${value}`;

function makeSlider(slider) {
  const shown = make("output", { text: signed(slider.value) });
  const input = make("input", {
    type: "range", min: -slider.most, max: slider.most, step: 0.25, "data-slider": slider.name, title: slider.unit,
    oninput: (event) => { shown.textContent = signed(Number(event.target.value)); },
    onchange: (event) => send("change", { slider: slider.name, value: Number(event.target.value) }),
  });
  input.value = slider.value;
  return make("label", {}, make("span", { text: slider.title }), shown, input);
}

// --- figures

function ticks(low, high, most) {
  const rough = (high - low) / most, power = 10 ** Math.floor(Math.log10(rough));
  const by_ = [1, 2, 5, 10].map((one) => one * power).find((one) => one >= rough);
  const found = [];
  for (let at = Math.ceil(low / by_) * by_; at <= high + by_ * 1e-6; at += by_) found.push(Math.abs(at) < by_ * 1e-6 ? 0 : at);
  return found;
}

// Of many steps the mean of as many as fall on one point of the screen.
function thinned(values, most) {
  const width = Math.max(1, Math.ceil(values.length / most)), found = [];
  for (let start = 0; start < values.length; start += width) {
    const part = values.slice(start, start + width).filter((one) => one !== null);
    found.push([start + (Math.min(width, values.length - start) - 1) / 2,
      part.length ? part.reduce((sum, one) => sum + one, 0) / part.length : null]);
  }
  return found;
}

function drawSeries() {
  const state = known.last;
  if (state === null) return;
  const figures = [...document.querySelectorAll("figure.series")];
  state.series.forEach((series, place) => {
    const lines = state.arms.map((arm) => known.values[arm.name][series.name] ?? []);
    figures[place].hidden = !lines.some((line) => line.some((one) => one !== null));
  });
  // After all that are seen are known, since each is as wide as the others let it be.
  state.series.forEach((series, place) => {
    if (figures[place].hidden) return;
    figures[place].querySelector("svg")?.remove();
    figures[place].append(figure(series, state, figures[place].clientWidth - 30));
  });
}

function figure(series, state, width) {
  const height = 190, left = 48, bottom = 36, top = series.unit === "share" ? 8 : 20, right = 10;
  const lines = state.arms.map((arm) => thinned(known.values[arm.name][series.name] ?? [], 400));
  const values = lines.flat().map(([, value]) => value).filter((one) => one !== null);
  const { first, by: each, label } = state.axis, end = first + each * Math.max(known.steps - 1, 1);
  let low = Math.min(0, ...values), high = Math.max(...values);
  if (high - low < 1e-9) high = low + 1;
  const marks = ticks(low, high * 1.02, 5);
  const x = (step) => left + (width - left - right) * (first + each * step - first) / (end - first);
  const y = (value) => top + (height - top - bottom) * (1 - (value - low) / (high * 1.02 - low));
  const svg = draw("svg", { viewBox: `0 0 ${width} ${height}`, width, height, role: "img", "aria-label": `${series.title}, by ${label}` });
  const said = (value) => series.unit === "share" ? `${Number((100 * value).toPrecision(3))}%` : Number(value.toPrecision(6)).toLocaleString("en");
  for (const value of marks) {
    svg.append(draw("line", { class: "rule", x1: left, x2: width - right, y1: y(value), y2: y(value) }));
    svg.append(draw("text", { x: left - 6, y: y(value) + 4, "text-anchor": "end" }, said(value)));
  }
  const whole = ticks(first, end, Math.max(2, Math.floor(width / 90))).filter((one) => label !== "step" || Number.isInteger(one));
  for (const value of whole) {
    svg.append(draw("text", { x: x((value - first) / each), y: height - bottom + 17, "text-anchor": "middle" }, value.toLocaleString("en")));
  }
  svg.append(draw("text", { x: (left + width - right) / 2, y: height - 3, "text-anchor": "middle" }, label));
  svg.append(draw("text", { x: 0, y: 11 }, series.unit === "share" ? "" : series.unit));
  for (const change of state.by_hand) {
    if (change.step < known.steps) svg.append(draw("line", { class: "mark", x1: x(change.step), x2: x(change.step), y1: top, y2: height - bottom }));
  }
  lines.forEach((line, place) => {
    let path = "", pen = "M";
    for (const [step, value] of line) {
      path += value === null ? "" : `${pen}${x(step).toFixed(1)} ${y(value).toFixed(1)}`;
      pen = value === null ? "M" : "L";
    }
    const drawn = draw("path", { class: "line", d: path });
    drawn.style.stroke = colour(place);
    svg.append(drawn);
    const points = line.filter(([, value]) => value !== null);
    if (points.length <= 40) {
      for (const [step, value] of points) {
        const dot = draw("circle", { cx: x(step), cy: y(value), r: 2.5 });
        dot.style.fill = colour(place);
        svg.append(dot);
      }
    }
  });
  return svg;
}

// --- users

let waiting = null;

// While steps fly by, users are looked at once a second.
function lookLater() {
  if (waiting === null) waiting = setTimeout(() => { waiting = null; look(); }, known.last.state === "playing" ? 1000 : 0);
}

async function look() {
  const arm = by("arm").value;
  try {
    showList(await ask(`users?arm=${encodeURIComponent(arm)}&query=${encodeURIComponent(by("query").value)}`));
    if (known.chosen !== null) {
      showUser(await ask(`user?arm=${encodeURIComponent(arm)}&id=${encodeURIComponent(known.chosen)}`));
    }
  } catch (error) {
    trouble(error.message);
  }
}

function showList(list) {
  const more = list.found > list.users.length ? `, the first ${list.users.length} are listed` : "";
  by("found").textContent = `${list.found.toLocaleString("en")} ${list.found === 1 ? "user" : "users"}${more}`;
  const focused = document.activeElement?.dataset?.user, at = by("users").scrollTop;
  by("users").replaceChildren(...list.users.map((user) => make("li", {}, make("button", {
    type: "button", "data-user": user.id, "aria-pressed": String(user.id === known.chosen),
    onclick: () => { choose(user.id); },
  }, user.key, make("small", { text: user.visit < 0 ? "not here yet" : `${counted(user.clicks, "click")} · ${counted(user.pages, "page")}` })))));
  by("users").scrollTop = at;
  if (focused) by("users").querySelector(`[data-user="${CSS.escape(focused)}"]`)?.focus();
}

function choose(user) {
  Object.assign(known, { chosen: user, pinned: null, said: null });
  look();
}

function showUser(user) {
  if (user.id !== known.chosen) return;
  const pages = user.pages_seen, last = pages.length - 1;
  const at = known.pinned === null ? last : Math.max(0, Math.min(last, pages.findIndex((page) => page.page === known.pinned)));
  const so_far = user.visit < 0 ? "Has not come yet." : `Visit ${user.visit + 1}, ${counted(user.pages, "page")} and ${counted(user.clicks, "click")} in all.`;
  const next = user.next ? ` ${user.next === "does not come again" ? "Does not come again." : `Next visit: ${user.next}.`}` : "";
  const parts = [
    make("h3", { text: `User ${user.key}, served as ${user.arm}` }),
    make("p", { text: user.persona }), make("p", { class: "aside", text: so_far + next }),
  ];
  if (last >= 0) parts.push(...pageParts(user, pages, at));
  if (user.remembers) {
    const lines = user.memory === null ? ["Told when the step is over."] : user.memory.length ? user.memory : ["Nothing yet."];
    parts.push(make("h3", { text: "Memory" }), make("ul", { class: "notes memory" }, ...lines.map((text) => make("li", { text }))));
  }
  parts.push(...talkParts(user, pages[at]));
  const focused = document.activeElement?.id;
  by("user").replaceChildren(...parts);
  if (focused?.startsWith("user-")) by(focused)?.focus();
}

function pageParts(user, pages, at) {
  const page = pages[at], turn = (to) => { known.pinned = to === pages.length - 1 ? null : pages[to].page; known.said = null; showUser(user); };
  const heads = [["#", ""], ["Item", "text"], ["Put here with", ""], ["Looked at with", ""], ["Clicked if seen with", ""], ["Drawn", ""], ["Stars", ""]];
  const rows = page.slots.map((slot) => {
    const about = slot.item === null ? "blank" : `${slot.title}${slot.year ? ` (${slot.year})` : ""}`;
    const drawn = slot.clicked ? "clicked" : slot.examined ? "seen" : "not seen";
    const cells = [slot.propensity, slot.examine_prob, slot.item === null ? null : slot.click_prob].map((value) => value === null ? "–" : share(value));
    return make("tr", { class: slot.clicked ? "clicked" : null }, make("td", { text: String(slot.position + 1) }),
      make("td", { class: "text" }, about, make("small", { text: [slot.genres.join(", "), slot.friend < 0 ? "" : `liked by friend ${slot.friend}`].filter(Boolean).join(" · ") })),
      ...cells.map((text) => make("td", { text })), make("td", { text: drawn }),
      make("td", { text: slot.rating === null ? "–" : String(slot.rating) }));
  });
  const chance = share(page.leave_prob);
  const end = page.left ? `left after it (chance ${chance})`
    : page.last ? `did not leave (chance ${chance}), but the visit's pages are used up` : `stayed (chance of leaving ${chance})`;
  return [
    make("div", { class: "pages" },
      make("button", { type: "button", id: "user-before", text: "Page before", disabled: at === 0, onclick: () => turn(at - 1) }),
      make("button", { type: "button", id: "user-after", text: "Page after", disabled: at === pages.length - 1, onclick: () => turn(at + 1) }),
      make("span", { id: "user-page", text: `Page ${page.page + 1} of the visit, made by ${page.recommender}` })),
    make("div", { class: "wide", tabindex: "0", role: "group", "aria-label": "Table, may scroll sideways" },
      make("table", {}, make("thead", {}, make("tr", {}, ...heads.map(([text, kind]) => make("th", { scope: "col", text, class: kind || null })))),
        make("tbody", {}, ...rows))),
    make("p", { class: "aside", text: `After the page: satisfaction ${share(page.satisfaction)}, ${end}, reward ${number(page.reward, "")}.` }),
  ];
}

function talkParts(user, page) {
  if (!user.talks) {
    return [make("p", { class: "aside" }, "Nobody speaks without a language model: watch with ", make("code", { text: "--set models.writer=provider/name" }), ".")];
  }
  const told = page && (page.left || page.slots.some((slot) => slot.clicked));
  const place = { arm: user.arm, id: user.id };
  const talk = (wanted, told_) => async (event) => {
    event.target.disabled = true;
    try {
      known.said = { user: user.id, ...told_(await ask("talk", wanted)) };
    } catch (error) {
      known.said = { user: user.id, text: error.message };
    }
    look();
  };
  const parts = [make("h3", { text: "Ask" }), make("div", { class: "pages" },
    make("button", { type: "button", id: "user-interview", text: "Interview about the visit", disabled: !page, onclick: talk(place, (said) => said) }),
    make("button", {
      type: "button", id: "user-reason", text: page?.left ? "Why did you leave?" : "Why did you take it?", disabled: !told,
      onclick: talk({ ...place, page: page?.page }, (said) => ({ text: said.text ?? "No answer that can be read." })),
    }))];
  const said = known.said?.user === user.id ? known.said : null;
  if (said?.text) parts.push(make("blockquote", { text: said.text }));
  if (said?.answers) {
    parts.push(make("ul", { class: "answers" }, ...said.answers.map((one) => make("li", {}, one.statement,
      make("small", { text: `${one.mean.toFixed(1)} of 5 · ${one.probabilities.map((chance, level) => `${level + 1}: ${share(chance)}`).join("  ")}` })))));
    if (!said.answers.length) parts.push(make("p", { class: "aside", text: "No answer that can be read." }));
  }
  parts.push(make("p", { class: "aside", text: "Answers are asked for apart from the run, which does not notice." }));
  return parts;
}

by("play").addEventListener("click", () => send("act", { do: known.last?.state === "playing" ? "pause" : "play" }));
by("step").addEventListener("click", () => send("act", { do: "step" }));
by("speed").addEventListener("change", (event) => send("act", { do: "pace", speed: Number(event.target.value) }));
by("arm").addEventListener("change", () => { Object.assign(known, { pinned: null, said: null }); look(); });
by("query").addEventListener("input", look);
follow();
