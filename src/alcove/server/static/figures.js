// Shows the figures of a running server, on the status page and on the host's.

const WIDTH = 360;
const HEIGHT = 84;
const REGISTRATION = {
  open: "Open: anyone may register",
  password: "With the server's password",
  invite: "By invite",
  closed: "Closed",
};

const byId = (id) => document.getElementById(id);
const count = (number) => number.toLocaleString("en-GB");
const clock = (date) => date.toLocaleTimeString("en-GB");

function say(id, text) {
  const place = byId(id);
  // Writing the same again would make a screen reader say it again.
  if (place.textContent !== text) place.textContent = text;
}

// ---- Words for figures ----

function rate(number) {
  return number < 100 ? number.toFixed(1) : count(Math.round(number));
}

function size(bytes) {
  const units = ["bytes", "kB", "MB", "GB", "TB", "PB"];
  let unit = 0;
  while (bytes >= 999.5 && unit < units.length - 1) {
    bytes /= 1000;
    unit += 1;
  }
  return `${unit && bytes < 99.95 ? bytes.toFixed(1) : Math.round(bytes)} ${units[unit]}`;
}

function span(milliseconds) {
  const units = [["day", 86400000], ["hour", 3600000], ["minute", 60000]];
  for (const [word, length] of units) {
    const number = Math.floor(milliseconds / length);
    if (number) return `${count(number)} ${word}${number === 1 ? "" : "s"}`;
  }
  return "less than a minute";
}

// ---- Curves ----

function shape(kind, path) {
  const line = document.createElementNS("http://www.w3.org/2000/svg", "path");
  line.setAttribute("class", kind);
  line.setAttribute("d", path);
  return line;
}

function draw(id, samples, now, stepSeconds, words, figure) {
  const points = [...samples, now];
  const most = Math.max(...points, 1);
  const step = WIDTH / Math.max(samples.length, 1);
  const at = (value, index) =>
    `${(index * step).toFixed(1)} ${(HEIGHT - 2 - (value / most) * (HEIGHT - 6)).toFixed(1)}`;
  // One point alone becomes a level line.
  const line = `M${(points.length > 1 ? points.map(at) : [at(now, 0), at(now, 1)]).join("L")}`;
  byId(`${id}-curve`).replaceChildren(
    shape("grid", `M0 1H${WIDTH}M0 ${HEIGHT / 2}H${WIDTH}M0 ${HEIGHT - 1}H${WIDTH}`),
    shape("under", `${line}V${HEIGHT - 1}H0Z`),
    shape("line", line),
  );
  const past = samples.length ? span(samples.length * stepSeconds * 1000) : "";
  say(`${id}-since`, past ? `${past} ago` : "");
  say(`${id}-now`, "now");
  const range = `from ${figure(Math.min(...points))} to ${figure(Math.max(...points))}`;
  const label = past ? `${words}, ${past} back until now: ${range}` : `${words}: no past yet`;
  byId(`${id}-curve`).setAttribute("aria-label", label);
}

// ---- What both pages show ----

function showServer(status) {
  say("version", status.version);
  say("registration", REGISTRATION[status.registration] ?? status.registration);
}

function showFigures(status) {
  say("connected", count(status.connected));
  say("connected-limit", `of ${count(status.connected_limit)}`);
  say("online", `${count(status.online)} ${status.online === 1 ? "person" : "people"} online`);
  say("rate", rate(status.message_rate));
  say("rate-peak", `peak ${rate(status.message_rate_peak)}`);
  say("refused", `refused by limits: ${count(status.refused)}`);
  showStorage(status);
  const started = new Date(status.started_at);
  const day = { day: "numeric", month: "long", year: "numeric" };
  say("since", `${started.toLocaleDateString("en-GB", day)}, ${clock(started)}`);
  say("up", span(status.now - status.started_at));
  say("database", status.database);
  const step = status.sample_seconds;
  draw("connected", status.connected_samples, status.connected, step, "Connected devices", count);
  draw("rate", status.message_rate_samples, status.message_rate, step, "Messages a second", rate);
}

function showStorage(status) {
  const free = status.free_bytes === null ? "not known" : size(status.free_bytes);
  say("storage", size(status.room_bytes + status.file_bytes));
  say("rooms", size(status.room_bytes));
  say("files", size(status.file_bytes));
  say("free", status.free_bytes === null ? "" : `${free} free`);
  say("free-again", free);
  const whole = status.room_bytes + status.file_bytes + (status.free_bytes ?? 0) || 1;
  const [rooms, files] = byId("share").children;
  rooms.style.width = `${(100 * status.room_bytes) / whole}%`;
  files.style.width = `${(100 * status.file_bytes) / whole}%`;
}

function turn(state) {
  byId("state").dataset.state = state;
  document.body.classList.toggle("stale", state === "gone");
}
