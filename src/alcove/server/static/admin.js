// The host's page: lets a one-time link in, then keeps figures, accounts and events fresh.
//
// The link's secret stands after the # of the address.  It is taken from there before anything
// else happens, and sent once.  From then on a cookie speaks, which no script can read.

const ASK_EVERY_MS = 5000;
const ANSWER_WITHIN_MS = 20000;
const SECRET = /^#([a-z2-7]{32})$/;
const WHY = {
  damaged: "This link is not whole: a piece of it was lost on its way.",
  401: "No link was used in this browser, or its time is over.",
  410: "This link has ended: it was used before, or its ten minutes are over.",
  429: "That was too often: wait a minute.",
  left: "You are signed out.",
};

let timer = null;
let lastAnswer = null;
// Goes up with every link and sign-out: what was asked before them is not shown any more.
let visit = 0;
// Whether somebody did something here since the server was last asked.
let used = true;
const shown = {};

// ---- Asking ----

async function send(method, path, headers = {}) {
  const signal = AbortSignal.timeout(ANSWER_WITHIN_MS);
  const said = { "Alcove-Page": used ? "used" : "open", ...headers };
  used = false;
  return fetch(`/admin/${path}`, { method, headers: said, signal, cache: "no-store" });
}

async function enter() {
  const hash = location.hash;
  if (hash) history.replaceState(null, "", location.pathname);
  visit += 1;
  const mine = visit;
  let why = null;
  if (hash) {
    const found = SECRET.exec(hash);
    why = found ? await use(found[1]) : WHY.damaged;
  }
  // A link that was used before may have been used here: then there is a session.
  if (mine === visit) ask(why);
}

async function use(secret) {
  try {
    const answer = await send("POST", "session", { Authorization: `Bearer ${secret}` });
    return answer.ok ? null : WHY[answer.status] ?? (await answer.json()).why;
  } catch {
    return "The server did not answer: open the link again.";
  }
}

async function ask(why = null) {
  const mine = visit;
  timer = null;
  try {
    const answer = await send("GET", "overview");
    if (mine !== visit) return;
    if (answer.status === 401 || answer.status === 403) return shut(why ?? WHY[401]);
    if (!answer.ok) throw new Error("refused");
    const overview = await answer.json();
    if (mine !== visit) return;
    show(overview);
  } catch {
    if (mine !== visit) return;
    say("state-text", lastAnswer ? `No answer since ${clock(lastAnswer)}` : "No answer yet");
    turn("gone");
  }
  plan(ASK_EVERY_MS);
}

function plan(wait) {
  clearTimeout(timer);
  timer = document.hidden ? null : setTimeout(ask, wait);
}

async function leave() {
  visit += 1;
  clearTimeout(timer);
  try {
    await send("DELETE", "session");
    shut(WHY.left);
  } catch {
    say("state-text", "No answer: you are still signed in");
    turn("gone");
    plan(ASK_EVERY_MS);
  }
}

// ---- Showing ----

function shut(why) {
  visit += 1;
  clearTimeout(timer);
  timer = null;
  lastAnswer = null;
  for (const id of ["accounts", "events"]) fill(id, []);
  byId("opened").hidden = byId("leave").hidden = true;
  byId("closed").hidden = false;
  say("closed-why", why);
  say("state-text", "Signed out");
  turn("closed");
}

function show({ report, accounts, events, ends_at: endsAt }) {
  const { status, totals } = report;
  showServer(status);
  showFigures(status);
  say("address", report.address);
  showTotals(totals);
  showAccounts(accounts, totals.accounts);
  fill("events", [...events.events].reverse().map(eventRow));
  say("events-more", `The newest ${count(events.events.length)} of ${count(totals.events)}: alcove admin audit shows and exports them all.`);
  say("until", `${when(endsAt)}, or an hour after the last touch`);
  lastAnswer = new Date();
  say("answer", clock(lastAnswer));
  byId("closed").hidden = true;
  byId("opened").hidden = byId("leave").hidden = false;
  say("state-text", "Running");
  turn("running");
}

function showTotals(totals) {
  const { bots, disabled, suspicious } = totals;
  const programs = `${count(bots)} ${bots === 1 ? "bot" : "bots"}`;
  say("total-accounts", `${count(totals.accounts)} (${programs}, ${count(disabled)} disabled)`);
  say("total-devices", count(totals.devices));
  say("total-rooms", `${count(totals.rooms)}, with ${count(totals.entries)} entries`);
  say("total-files", `${count(totals.files)}, ${size(totals.files_bytes)}`);
  say("total-links", count(totals.open_invites));
  say("total-events", `${count(totals.events)} events, ${count(suspicious)} suspicious`);
}

function showAccounts(page, all) {
  fill("accounts", page.accounts.map(accountRow));
  const first = page.next === null ? "" : `The first ${count(page.accounts.length)} of ${count(all)}: alcove admin accounts lists them all.`;
  say("accounts-more", page.accounts.length ? first : "Nobody has registered yet.");
}

function when(millis) {
  if (millis === null) return "never";
  const date = new Date(millis);
  const day = { day: "numeric", month: "short", year: "numeric", hour: "2-digit", minute: "2-digit" };
  return date.toLocaleString("en-GB", day);
}

function accountRow(account) {
  const role = [account.host ? "host" : account.bot ? "bot" : "member"];
  if (account.disabled_at !== null) role.push("disabled");
  const most = account.quota_bytes ? ` of ${size(account.quota_bytes)}` : "";
  return {
    mark: account.disabled_at === null ? "" : "quiet",
    cells: [
      ["Name", account.name],
      ["Role", role.join(", ")],
      ["Devices", count(account.devices), "number"],
      ["Rooms", count(account.rooms), "number"],
      ["Files", `${size(account.files_bytes)}${most}`, "number"],
      ["Last seen", when(account.seen_at)],
      ["Since", when(account.created_at)],
    ],
  };
}

function eventRow(event) {
  const who = event.name || (event.account && `${event.account.slice(0, 8)}…`);
  const more = Object.entries(event.detail).map(([name, value]) => `${name} ${value}`);
  const what = event.kind.replaceAll("_", " ");
  return {
    mark: event.suspicious ? "alarm" : "",
    cells: [
      ["When", when(event.at)],
      ["What", event.suspicious && event.kind !== "suspicious" ? `${what}, suspicious` : what],
      ["Who", who],
      ["From", event.address],
      ["More", more.join(", ")],
    ],
  };
}

function fill(id, rows) {
  // What has not changed stays as it is, also what somebody has marked in it.
  const text = JSON.stringify(rows);
  if (shown[id] === text) return;
  shown[id] = text;
  byId(id).replaceChildren(...rows.map(line));
}

function line({ mark, cells }) {
  const row = document.createElement("tr");
  row.setAttribute("role", "row");
  row.className = mark;
  for (const [label, text, kind] of cells) {
    const cell = document.createElement("td");
    cell.setAttribute("role", "cell");
    cell.dataset.label = label;
    cell.textContent = text;
    if (kind) cell.className = kind;
    row.append(cell);
  }
  return row;
}

// ---- Beginning ----

for (const kind of ["pointerdown", "keydown", "wheel", "touchstart"]) {
  addEventListener(kind, () => { used = true; }, { passive: true });
}
document.addEventListener("visibilitychange", () => {
  if (byId("closed").hidden) plan(0);
});
addEventListener("hashchange", () => { if (location.hash) enter(); });
byId("leave").addEventListener("click", leave);
enter();
